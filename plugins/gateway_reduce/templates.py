"""Lines of a log that say what other lines say, but for numbers and names, give way to a count.

A line without its numbers is its row; rows that agree in most words are a kind. Of each kind the first lines and the
last one stay, where they stood. Rare kinds, loud lines and lines with a name found nowhere else stay whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from gateway_reduce.kinds import Kind, kinds_of, rows_of
from gateway_reduce.log_lines import is_entry, is_log
from gateway_reduce.marks import LEFT_OUT, is_marked

LEAST_LINES = 12
LEAST_REPEATED = 0.25  # share of the lines that are of a kind that is left out
LEAST_GAIN = 0.15  # share of the characters that go

FIRST, LAST = 3, 1  # lines of a kind that stay
ROUTINE = 20  # loud lines of one kind from which on they are what this log is full of, and
MOSTLY_LOUD = 0.25  # share of the lines; where more are loud, half as many of one kind are routine
FIRST_LOUD, LAST_LOUD = 5, 2  # that many of them stay
FEW = 6  # variants of a kind that are shown one by one: states rather than names
LEAST_LETTERS = 8  # a row with fewer is a row of figures, in which each may matter
SHORTEST_RUN = 60  # characters: less is not worth a mark

_NAME = re.compile(rb"[^0]*[A-Za-z]{3}[^0]*")
_NO_LETTERS = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))


def fold(text: str) -> str:
    """A log with the lines left out that are like others; any other text as it is."""
    if text.count("\n") < LEAST_LINES or is_marked(text):
        return text
    lines = text.split("\n")
    if not is_log(lines):
        return text
    gone = _repeated(text, lines)
    if len(gone) < LEAST_REPEATED * len(lines):
        return text
    folded = "\n".join(_with_marks(lines, gone))
    return folded if len(folded) <= (1 - LEAST_GAIN) * len(text) else text


def _repeated(text: str, written: list[str]) -> set[int]:
    """The numbers of the lines that may go."""
    kinds = kinds_of(rows_of(text))
    loud = sum(len(some) for kind in kinds if kind.loud for _, some in kind.rows)
    routine = ROUTINE if loud <= MOSTLY_LOUD * len(written) else ROUTINE // 2
    gone: set[int] = set()
    for kind in kinds:
        if left := _droppable(kind, routine):
            shown = written[kind.rows[0][1][0]]
            # What stands between entries may be a document whose every figure matters.
            if is_entry(shown) or not shown.rstrip().endswith((",", ";", "{", "}", "[", "]", ":")):
                gone |= left
    return gone.difference(_rare(kinds))


def _rare(kinds: list[Kind]) -> Iterator[int]:
    """The lines that hold a name found in no other."""
    rows = [row for kind in kinds for row in kind.rows]
    seen = Counter(chain.from_iterable(words for words, _ in rows))
    seen.update(chain.from_iterable(words for words, lines in rows if len(lines) > 1))
    lone = {word for word, times in seen.items() if times == 1 and _NAME.fullmatch(word)}
    return (lines[0] for words, lines in rows if not lone.isdisjoint(words))


def _droppable(kind: Kind, routine: int) -> set[int]:
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
