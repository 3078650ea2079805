"""Lines of a log that say what other lines say, but for numbers and names, give way to a count.

A line without its numbers is its row; rows that agree in most words are a kind. Of each kind the first lines and the
last one stay, where they stood. Rare kinds, loud lines and lines with a name found nowhere else stay whole.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from gateway_reduce.marks import LEFT_OUT, is_marked

LEAST_LINES = 12
SAMPLED = 64  # lines by which a text is judged before it is read as a whole
LEAST_TIMED = 0.5  # share of the lines that are entries of a log
LEAST_REPEATED = 0.4  # share of the lines that are of a kind that is left out
LEAST_GAIN = 0.15  # share of the characters that go
HEAD = 64  # characters in which the time of an entry stands

FIRST = 3  # lines of a kind that stay
ROUTINE = 20  # loud lines of one kind from which on they are what this log is full of, and
FIRST_LOUD, LAST_LOUD = 5, 2  # that many of them stay
AGREEING = 0.7  # share of the words by which two rows are of one kind
FEW = 6  # variants of a kind that are shown one by one: states rather than names
LEAST_LETTERS = 8  # a row with fewer is a row of figures, in which each may matter
SHORTEST_RUN = 60  # characters: less is not worth a mark
CANDIDATES = 4  # kinds compared under one key

_MASK = bytes.maketrans(b"123456789\t\r", b"000000000  ")
_ID = re.compile(
    rb"(?<![A-Za-z0])(?:0x[0a-fA-F]++|(?=[a-fA-F]*+0)[0a-fA-F]++|[A-Za-z]*+0[A-Za-z]++0[A-Za-z0]*+)(?![A-Za-z0])"
)
_LOUD = re.compile(
    rb"error|warn|fail|exception|traceback|fatal|panic|denied|refused|time[d ]*out|killed|critical|severe|abort|alert"
    rb"|emerg|corrupt|invalid|cannot|can't|could not|unable|unexpected|abnormal|segfault|oom|lost|exited|rejected",
    re.IGNORECASE,
)
_NAME = re.compile(rb"[^0]*[A-Za-z]{3}[^0]*")
_LETTER = re.compile(rb"[A-Za-z]")
_TIMES = (b"00:00:00", b"0:00:00", b"0000000000", b"000000 000000 ", b"0.000000]")
_LEVEL = re.compile(rb"[^A-Za-z]*(?:INFO|DEBUG|WARN(?:ING)?|ERROR|TRACE|NOTICE|info|debug|warn(?:ing)?|error)\b")
_FILE = re.compile(rb"[-dlbcps](?:[r-][w-][xsStT-]){3}")


@dataclass(slots=True)
class _Kind:
    words: list[bytes]
    loud: bool
    rows: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


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


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_log(lines: list[str]) -> bool:
    """Whether most lines begin with a time or a level, and none of the things that have times too is there."""
    step = max(1, len(lines) // SAMPLED)
    sample = [_bytes(line[:400]).translate(_MASK) for line in lines[::step] if line and not line.isspace()]
    least = LEAST_TIMED * len(sample)
    if sum(map(_is_entry, sample)) < least:
        return False
    if sum(row.rstrip().endswith((b",", b";", b"{")) for row in sample) >= least:
        return False
    if sum(b" +0000 " in row and row.find(b") ") > 0 for row in sample) >= least:  # git blame
        return False
    return not _is_table(sample)


def _is_entry(row: bytes) -> bool:
    head = row[:HEAD]
    if _FILE.match(head):
        return False
    return any(time in head for time in _TIMES) or _LEVEL.match(head) is not None


def _is_table(sample: list[bytes]) -> bool:
    """Whether the lines are records of as many fields each, as in CSV or what a database prints."""
    for mark, prose in ((b",", b", "), (b"\t", None), (b";", b"; "), (b" | ", None)):
        counts = Counter(row.count(mark) - (row.count(prose) if prose else 0) for row in sample)
        fields, times = counts.most_common(1)[0]
        if fields >= 3 and times >= 0.9 * len(sample):
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


def _repeated(text: str, lines: list[str]) -> set[int]:
    """The numbers of the lines that may go."""
    rows = _rows(text)
    masked: dict[bytes, bytes] = {}
    for at, row in enumerate(rows):
        known = masked.get(row)
        if known is None:
            known = masked[row] = _ID.sub(b"0", row)
        rows[at] = known
    counts = Counter(rows)
    kinds = _Kinds()
    of_row = {row: kinds.of(row) for row in counts}
    for at, row in enumerate(rows):
        of_row[row].lines.append(at)
    kept = _rare(counts)
    gone: set[int] = set()
    for kind in kinds.all:
        gone.update(_droppable(kind, rows))
    return {at for at in gone if rows[at] not in kept}


def _rare(counts: Counter[bytes]) -> set[bytes]:
    """The rows that hold a name found in no other line."""
    seen: Counter[bytes] = Counter()
    for row, times in counts.items():
        for word in set(row.split()):
            seen[word] += times
    return {
        row
        for row, times in counts.items()
        if times == 1 and any(seen[word] == 1 and _NAME.fullmatch(word) for word in row.split())
    }


def _droppable(kind: _Kind, rows: list[bytes]) -> list[int]:
    lines = kind.lines
    if kind.loud:
        if len(lines) < ROUTINE:
            return []
        first, last = FIRST_LOUD, LAST_LOUD
    else:
        first, last = FIRST, 1
    inner = lines[first:-last]
    if not inner or sum(1 for _ in _LETTER.finditer(rows[inner[0]])) < LEAST_LETTERS:
        return []
    if len(kind.rows) > FEW:
        return inner
    shown = {rows[at] for at in (*lines[:first], *lines[-last:])}
    left = []
    for at in inner:
        if rows[at] in shown:
            left.append(at)
        else:
            shown.add(rows[at])
    return left


class _Kinds:
    """Groups rows by their words. A row is compared with a few kinds that share a third of its words."""

    def __init__(self) -> None:
        self.all: list[_Kind] = []
        self._index: dict[tuple[int, int, bytes], list[_Kind]] = {}

    def of(self, row: bytes) -> _Kind:
        words = row.split()
        loud = _LOUD.search(row) is not None
        keys = _keys(words)
        for key in keys:
            for kind in self._index.get(key, ()):
                if kind.loud == loud and _agree(kind.words, words):
                    kind.rows.append(row)
                    return kind
        kind = _Kind(words, loud, [row])
        self.all.append(kind)
        for key in keys:
            places = self._index.setdefault(key, [])
            if len(places) < CANDIDATES:
                places.append(kind)
        return kind


def _keys(words: list[bytes]) -> list[tuple[int, int, bytes]]:
    count = len(words)
    if count < 4:
        return [(count, 0, b" ".join(words))]
    third = count // 3
    parts = (words[:third], words[third : 2 * third], words[2 * third :])
    return [(count, number, b" ".join(part)) for number, part in enumerate(parts)]


def _agree(some: list[bytes], other: list[bytes]) -> bool:
    same = sum(a == b for a, b in zip(some, other, strict=True))
    return same >= AGREEING * len(some)


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
        out.append(f"{LEFT_OUT}{len(run)} lines]" if marked else _first_mark(len(run)))
        marked = True
    return out


def _first_mark(count: int) -> str:
    return f"{LEFT_OUT}{count} lines of kinds that stand here with their first {FIRST} lines and their last]"
