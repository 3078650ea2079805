"""Passages of prose that were shown before with other white space or another heading.

Search results bring the same paragraph again under another number, with its lines broken elsewhere. Such a passage is
found by the letters of one of its sentences and then compared character by character, white space apart.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import xxhash

SHORTEST_PROSE = 60  # characters of a line that is looked at
SHORTEST_SENTENCE = 40  # characters of a sentence by which a passage is found
SHORTEST_RUN = 100  # characters, white space apart: less is never worth a pointer
LONGEST_WORD = 12  # characters to each blank of a line: prose has more blanks, data has fewer
LONGEST = 8_000  # characters of a passage that are compared
QUOTED_FIRST, QUOTED_LAST = 32, 24  # characters of the source by which the reader finds both ends

_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
_NO_LETTERS = bytes(sign for sign in range(128) if not chr(sign).isalpha())
_INDENTED = (" " * 4, "\t")
_NO_PROSE = frozenset("+-/#:\t{}<>") | frozenset(
    string.digits
)  # first signs of a diff, a numbered line, a comment, a path
_WORD = re.compile(r"\S+")


def sentences(line: str) -> list[str]:
    """The sentences by which a line may be found again: none where it is no prose."""
    if line[0] in _NO_PROSE or "    " in line or "\t" in line or line.count(" ") * LONGEST_WORD < len(line):
        return []
    return [sentence for sentence in line.split(". ") if len(sentence) >= SHORTEST_SENTENCE]


def letters(sentence: str) -> int:
    """A number for a sentence, the same whatever its case, digits, signs and white space."""
    return xxhash.xxh3_64_intdigest(sentence.encode("utf-8", "surrogatepass").translate(_LOWER, _NO_LETTERS))


@dataclass(frozen=True, slots=True)
class Run:
    """What a passage shares with an earlier one: `lines` of them are gone but for `before` in the first one and
    `behind` in the last; `where` names the stretch of the source."""

    lines: int
    before: str
    behind: str
    where: str


def shared_run(own: Sequence[str], sentence: str, source: Sequence[str | None], place: int) -> Run | None:
    """The longest run round a sentence of the line own[0] that stands round source[place] too."""
    sentence = "".join(sentence.split())[-QUOTED_LAST:]
    mine = _Words(own)
    theirs = _Words([*reversed(list(_backwards(source, place))), *paragraph(source, place)])
    mid, theirs_mid = mine.solid.find(sentence), theirs.solid.find(sentence)
    if mid < 0 or theirs_mid < 0:
        return None
    back = _same_end(mine.solid[:mid], theirs.solid[:theirs_mid])
    first = mine.word_from(mid - back)
    start = mine.starts[first]
    ahead = _same_start(mine.solid[mid:], theirs.solid[theirs_mid:])
    last = mine.word_upto(mid + ahead)
    end = mine.starts[last]
    if end - start < SHORTEST_RUN or mine.line_of(first) > 0:
        return None
    shift = theirs_mid - mid
    lines = mine.line_of(last - 1) + 1
    whole = "\n".join(own[:lines])
    before = own[0][: mine.offset(first)]
    behind = own[lines - 1][mine.offset(last - 1, end=True) :]
    where = theirs.named(start + shift, end + shift)
    if whole[len(before) : len(whole) - len(behind)] not in theirs.text:
        where += ", white space apart"
    return Run(lines, before, behind, where)


def paragraph(lines: Sequence[str | None], at: int) -> list[str]:
    """The lines from `at` up to a blank or indented one, or one that may not be compared."""
    found: list[str] = []
    size = 0
    for line in lines[at : at + 100]:
        if not line or not line.strip() or line.startswith(_INDENTED) or size > LONGEST:
            break
        size += len(line)
        found.append(line)
    return found


def _backwards(lines: Sequence[str | None], at: int) -> Iterator[str]:
    size = 0
    for back in range(at - 1, max(at - 100, -1), -1):
        line = lines[back]
        if not line or not line.strip() or line.startswith(_INDENTED) or size > LONGEST:
            return
        size += len(line)
        yield line


class _Words:
    """The words of some lines, and their place among the characters that are not white space."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.text = "\n".join(lines)
        split = [line.split() for line in lines]
        self.words = [word for words in split for word in words]
        self.solid = "".join(self.words)
        self.starts = [0, *accumulate(map(len, self.words))]
        self._borders = list(accumulate(map(len, split)))  # for each line, the number of words up to its end

    def word_from(self, place: int) -> int:
        """The first word that starts at or behind a place."""
        word = bisect_right(self.starts, place) - 1
        return word if self.starts[word] == place else word + 1

    def word_upto(self, place: int) -> int:
        """The number of words that end at or before a place."""
        return bisect_right(self.starts, place) - 1

    def line_of(self, word: int) -> int:
        return bisect_right(self._borders, word)

    def offset(self, word: int, *, end: bool = False) -> int:
        """Where a word begins in its line, or ends there."""
        line = self.line_of(word)
        nth = word - (self._borders[line - 1] if line else 0)
        found = next(match for n, match in enumerate(_WORD.finditer(self._lines[line])) if n == nth)
        return found.end() if end else found.start()

    def between(self, start: int, end: int) -> list[str]:
        """The words between two places; the first and last may be parts of one."""
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1) - 1
        words = self.words[first : last + 1]
        words[-1] = words[-1][: end - self.starts[last]]
        words[0] = words[0][start - self.starts[first] :]
        return words

    def named(self, start: int, end: int) -> str:
        """The words a stretch begins and ends with."""
        words = self.between(start, end)
        first, last = " ".join(words[:12])[:QUOTED_FIRST], " ".join(words[-12:])[-QUOTED_LAST:]
        return f'from "{first.strip()}" to "{last.strip()}"'


def _same_start(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _same_end(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.endswith(other[-middle:]):
            low = middle
        else:
            high = middle - 1
    return low
