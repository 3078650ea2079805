"""Lines of a log that say what other lines say, but for numbers and names, give way to a count.

A line without its numbers is its row; rows that agree in most words are a kind. Of each kind the first lines and the
last one stay, where they stood. Rare kinds, loud lines and lines with a name found nowhere else stay whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import eq

from gateway_reduce.marks import LEFT_OUT, is_marked

LEAST_LINES = 12
SAMPLED = 64  # lines by which a text is judged before it is read as a whole
GLANCE = 4  # of so many of these one is looked at first
LEAST_TIMED = 0.5  # share of the lines that are entries of a log, or frames of the stack traces
LEAST_AMONG_FRAMES = 0.1  # between them
LEAST_REPEATED = 0.25  # share of the lines that are of a kind that is left out
LEAST_GAIN = 0.15  # share of the characters that go
SEEN = 400  # characters of a line by which it is judged
HEAD = 64  # characters in which the time of an entry stands

FIRST, LAST = 3, 1  # lines of a kind that stay
ROUTINE = 20  # loud lines of one kind from which on they are what this log is full of, and
MOSTLY_LOUD = 0.25  # share of the lines; where more are loud, half as many of one kind are routine
FIRST_LOUD, LAST_LOUD = 5, 2  # that many of them stay
DIFFERING = 0.3  # share of the words behind the head in which two rows of one kind may differ
FEWEST_WORDS = 4  # of a row that may differ at all
SHARED = 0.6  # share of the rows that have one word in a place: it belongs to the head of an entry
LONGEST_HEAD = 12  # words
FEW = 6  # variants of a kind that are shown one by one: states rather than names
LEAST_LETTERS = 8  # a row with fewer is a row of figures, in which each may matter
SHORTEST_RUN = 60  # characters: less is not worth a mark
CANDIDATES = 8  # kinds compared under one key

_MASK = bytes.maketrans(b"123456789\t\r", b"000000000  ")
# A number, a hexadecimal one, a short name with a number, an id of letters and numbers in turn; and chains of these.
_PART = rb"(?:0x[0a-fA-F]++|(?=[a-fA-F]*+0)[0a-fA-F]++|[A-Za-z]{1,2}0|[A-Za-z]*+0[A-Za-z]++0[A-Za-z0]*+)(?![A-Za-z0])"
_ID = re.compile(rb"(?<![A-Za-z0])-?" + _PART + rb"(?:[-.:+~,/_](?:[a-f]{4}-)*" + _PART + rb")*+")
_LOUD = [
    *(b"error", b"warn", b"fail", b"exception", b"traceback", b"fatal", b"panic", b"denied", b"refused", b"timeout"),
    *(b"timed out", b"killed", b"critical", b"severe", b"abort", b"alert", b"emerg", b"corrupt", b"invalid", b"cannot"),
    *(b"can't", b"could not", b"unable", b"unexpected", b"abnormal", b"segfault", b"out of memory", b"lost", b"exited"),
    *(b"rejected", b"unreachable", b"violation"),
]
_NAME = re.compile(rb"[^0]*[A-Za-z]{3}[^0]*")
_NO_LETTERS = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
_TIMES = (b"0:00:00", b"0.000000]")
_COMPACT = b"000000 000000 "  # date and time, as HDFS writes them
_EPOCH = re.compile(r"(?<![\w.])1\d{9}(?:\d{3}|\.\d+)?(?![\w.])")  # not an address in memory
_LEVEL = re.compile(
    rb"[^A-Za-z]*(?:(?:INFO|DEBUG|WARN(?:ING)?|ERROR|TRACE|NOTICE)\b|(?<=\[)(?:info|debug|warn|error)\])"
)
_FRAME = ("at ", 'File "', "Caused by: ", "... ")
_FILE = re.compile(rb"[-dlbcps](?:[r-][w-][xsStT-]){3}")


@dataclass(slots=True)
class _Kind:
    words: list[bytes]
    loud: bool
    rows: list[tuple[list[bytes], list[int]]] = field(default_factory=list)  # with the lines that read so


def fold(text: str) -> str:
    """A log with the lines left out that are like others; any other text as it is."""
    if text.count("\n") < LEAST_LINES or is_marked(text):
        return text
    lines = text.split("\n")
    if not _is_log(lines):
        return text
    gone = _repeated(text, lines)
    if len(gone) < LEAST_REPEATED * len(lines):
        return text
    folded = "\n".join(_with_marks(lines, gone))
    return folded if len(folded) <= (1 - LEAST_GAIN) * len(text) else text


def _masked(line: str) -> bytes:
    return _bytes(line[:SEEN]).translate(_MASK)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_log(lines: list[str]) -> bool:
    """Whether most lines begin with a time or a level, and none of the things that have times too is there."""
    step = max(1, len(lines) // SAMPLED)
    sample = [line for line in lines[:: GLANCE * step] if line]
    if not any(map(_is_entry, sample)):
        return False
    sample = [line for line in lines[::step] if line and not line.isspace()]
    least = LEAST_TIMED * len(sample)
    entries = sum(map(_is_entry, sample))
    frames = sum(line.lstrip().startswith(_FRAME) for line in sample)
    if entries < LEAST_AMONG_FRAMES * len(sample) or entries + frames < least:
        return False
    rows = list(map(_masked, sample))
    if sum(row.rstrip().endswith((b",", b";", b"{")) or row.startswith(b"{") for row in rows) >= least:
        return False  # code, or records in JSON
    if sum(b" +0000 " in row and row.find(b") ") > 0 for row in rows) >= least:  # git blame
        return False
    if any("PID" in line and line.rstrip().endswith(("CMD", "COMMAND", "Command")) for line in lines[:8]):
        return False  # ps, top
    return not _is_table(rows)


def _is_entry(line: str) -> bool:
    head = _masked(line[:HEAD])
    if _FILE.match(head):
        return False
    if any(time in head for time in _TIMES) or head.startswith(_COMPACT) or _LEVEL.match(head):
        return True
    return b"0000000000" in head and _EPOCH.search(line, 0, HEAD) is not None


def _is_table(rows: list[bytes]) -> bool:
    """Whether the lines are records of as many fields each, as in CSV or what a database prints."""
    for mark, prose in ((b",", b", "), (b"\t", None), (b";", b"; "), (b" | ", None)):
        counts = Counter(row.count(mark) - (row.count(prose) if prose else 0) for row in rows)
        fields, times = counts.most_common(1)[0]
        if fields >= 3 and times >= 0.9 * len(rows):
            return True
    return False


def _rows(text: str) -> list[bytes]:
    """Of each line what is left without its numbers and ids."""
    raw = _bytes(text)
    for sign in (b'" ', b"status: ", b"status="):  # a failed request is loud though it is a number only
        for digit in (b"4", b"5"):
            raw = raw.replace(sign + digit, sign + b"error " + digit)
    raw = raw.translate(_MASK)
    while b"00" in raw:
        raw = raw.replace(b"0000", b"0").replace(b"00", b"0")
    return raw.split(b"\n")


def _repeated(text: str, written: list[str]) -> set[int]:
    """The numbers of the lines that may go."""
    rows = _rows(text)
    numbered: dict[bytes, list[int]] = {}
    for at, row in enumerate(rows):
        numbered.setdefault(row, []).append(at)
    lines: dict[bytes, list[int]] = {}
    for row, some in numbered.items():
        lines.setdefault(_ID.sub(b"0", row), []).extend(some)
    kinds = _Kinds(lines)
    for row, some in lines.items():
        kinds.add(row, sorted(some))
    kinds.join()
    loud = sum(len(some) for kind in kinds.all if kind.loud for _, some in kind.rows)
    routine = ROUTINE if loud <= MOSTLY_LOUD * len(rows) else ROUTINE // 2
    gone: set[int] = set()
    for kind in kinds.all:
        if left := _droppable(kind, routine):
            shown = written[kind.rows[0][1][0]]
            # What stands between entries may be a document whose every figure matters.
            if _is_entry(shown) or not shown.rstrip().endswith((",", ";", "{", "}", "[", "]", ":")):
                gone |= left
    return gone.difference(_rare(kinds.all))


def _rare(kinds: list[_Kind]) -> Iterator[int]:
    """The lines that hold a name found in no other."""
    rows = [row for kind in kinds for row in kind.rows]
    seen = Counter(chain.from_iterable(words for words, _ in rows))
    seen.update(chain.from_iterable(words for words, lines in rows if len(lines) > 1))
    lone = {word for word, times in seen.items() if times == 1 and _NAME.fullmatch(word)}
    return (lines[0] for words, lines in rows if not lone.isdisjoint(words))


def _droppable(kind: _Kind, routine: int) -> set[int]:
    lines = sorted(at for _, some in kind.rows for at in some)
    first, last = (FIRST_LOUD, LAST_LOUD) if kind.loud else (FIRST, LAST)
    if len(lines) <= max(first + last, routine if kind.loud else 0):
        return set()
    worded = [word for word in kind.words if word.translate(None, _NO_LETTERS)]
    if len(b"".join(worded).translate(None, _NO_LETTERS)) < LEAST_LETTERS:
        return set()
    if worded == kind.words[-1:]:  # times, figures and a name: a listing
        return set()
    left = set(lines[first:-last])
    if len(kind.rows) <= FEW:
        left.difference_update(some[0] for _, some in kind.rows)
    return left


class _Kinds:
    """Groups rows by their words. A row is compared with a few kinds that share a third of its words."""

    def __init__(self, rows: Collection[bytes]) -> None:
        everything = b"\n".join(rows).lower()
        self._loud = [word for word in _LOUD if word in everything]
        self._head = _shared_head(list(rows))
        self.all: list[_Kind] = []
        self._index: dict[tuple[int, int, bytes], list[_Kind]] = {}

    def add(self, row: bytes, lines: list[int]) -> None:
        words = row.split()
        kind = self._like(words, loud=self._is_loud(row.lower()))
        kind.rows.append((words, lines))

    def _is_loud(self, row: bytes) -> bool:
        for word in self._loud:  # noqa: SIM110  twice as fast as any() over a generator, and it runs for every row
            if word in row:
                return True
        return False

    def _like(self, words: list[bytes], *, loud: bool) -> _Kind:
        keys = _keys(words, self._head)
        for key in keys:
            places = self._index.get(key, [])
            for place, kind in enumerate(places):
                if kind.loud == loud and _agree(kind.words, words, self._head):
                    places[0], places[place] = kind, places[0]
                    return kind
        kind = _Kind(words, loud)
        self.all.append(kind)
        for key in keys:
            places = self._index.setdefault(key, [])
            places.insert(len(places) // 2, kind)  # before the kinds that were of use longest ago
            del places[CANDIDATES:]
        return kind

    def join(self) -> None:
        """Let small kinds go into large ones that they were not compared with."""
        large: dict[tuple[int, bool], list[_Kind]] = {}
        stay: list[_Kind] = []
        for kind in sorted(self.all, key=lambda kind: -len(kind.rows)):
            places = large.setdefault((len(kind.words), kind.loud), [])
            like = next((place for place in places if _agree(place.words, kind.words, self._head)), None)
            if like is not None:
                like.rows += kind.rows
                continue
            stay.append(kind)
            if len(places) < CANDIDATES:
                places.append(kind)
        self.all = stay


def _shared_head(rows: list[bytes]) -> int:
    """How many words the entries begin with that say when and where: most of them are the same in most lines."""
    sample = [row.split(None, LONGEST_HEAD) for row in rows[:: max(1, len(rows) // SAMPLED)]]
    for place in range(LONGEST_HEAD):
        words = Counter(words[place] for words in sample if len(words) > place)
        if not words or words.most_common(1)[0][1] < SHARED * len(sample):
            return place
    return LONGEST_HEAD


def _keys(words: list[bytes], head: int) -> list[tuple[int, int, bytes]]:
    count = len(words)
    if count < FEWEST_WORDS:
        return [(count, 0, b" ".join(words))]
    if count - head >= 3:
        words = words[head:]
    third = len(words) // 3
    parts = (words[:third], words[third : 2 * third], words[2 * third :])
    return [(count, number, b" ".join(part)) for number, part in enumerate(parts)]


def _agree(some: list[bytes], other: list[bytes], head: int) -> bool:
    """Whether two rows of as many words are of one kind: behind the head most words agree, or all but one."""
    same: int = sum(map(eq, some, other))
    differing = len(some) - same
    return differing <= (max(1, DIFFERING * (len(some) - head)) if len(some) >= FEWEST_WORDS else 0)


def _with_marks(lines: list[str], gone: set[int]) -> list[str]:
    """The lines that stay, with a mark for each run of others that is worth one."""
    out: list[str] = []
    marked = False
    at = 0
    while at < len(lines):
        if at not in gone:
            out.append(lines[at])
            at += 1
            continue
        start = at
        while at in gone:
            at += 1
        run = lines[start:at]
        if sum(map(len, run)) < SHORTEST_RUN:
            out.extend(run)
            continue
        out.append(_mark(len(run), explained=marked))
        marked = True
    return out


def _mark(count: int, *, explained: bool) -> str:
    lines = f"{LEFT_OUT}{count} line{'s' if count > 1 else ''}"
    return (
        f"{lines}]" if explained else f"{lines} of kinds that stand here with their first {FIRST} lines and their last]"
    )
