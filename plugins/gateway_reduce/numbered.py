"""The same lines of a file with numbers before them and without: written by a call then viewed, viewed then read.

Lines are only the same where their numbers run on without a gap, so that a reader can tell the number of each from the
first one. Lines that were shown under other numbers are not the same: an agent would copy numbers that are not true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBER = re.compile(r"[ ]*(\d{1,7})(?::(?!\d\d:)|[\t→|])")  # but no time of day
LEAST_LINES = 3
SAMPLED = 16
SHORTEST_BARE = 4  # characters of a line without its number by which it is found again

_FIRST = frozenset(" 0123456789")


def parted(line: str | None) -> tuple[int, str] | None:
    """The number before a line, and the text behind it."""
    if not line or line[0] not in _FIRST:
        return None
    match = NUMBER.match(line)
    return (int(match[1]), line[match.end() :]) if match else None


def numbers(lines: Sequence[str]) -> dict[int, tuple[int, str]]:
    """The lines that carry a number, parted from it; none where a sample of the lines holds no such line."""
    if not any(map(parted, lines[:: 1 + len(lines) // SAMPLED])):
        return {}
    begun = [at for at, line in enumerate(lines) if line[:1] in _FIRST and line]
    return {at: known for at in begun if (known := parted(lines[at]))}


def same_lines(plain: Sequence[str | None], at: int, numbered: Sequence[str | None], place: int) -> int:
    """How many lines from plain[at] on are those from numbered[place] on, whose numbers run on without a gap."""
    first = parted(numbered[place])
    most = min(len(plain) - at, len(numbered) - place)
    count = 0
    while first and count < most and parted(numbered[place + count]) == (first[0] + count, plain[at + count]):
        count += 1
    return count
