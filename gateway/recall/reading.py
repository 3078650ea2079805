"""What a recall shows of a text: a range of its lines, or those where a pattern is found, and never more than fits.

Lines that are too long are wrapped, so that every place of a text has a number by which it can be asked for. A pattern
is the model's own, so it may be one that takes for ever: searching has an end that the engine itself keeps.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

import regex

CHARS = 5_700
"""Characters shown at most: about 1,500 tokens."""

_WIDTH = 400  # characters of a line; a longer one is wrapped
_LEAST_WIDTH = 320
_LONGEST_PATTERN = 200
_LINE_SECONDS = 0.25  # for a wrapped line, which no sensible expression takes a thousandth of
_SECONDS = 3.0  # for all of a text; a plain search of a megabyte takes a tenth of a second
_RANGE = re.compile(r"\s*(\d{1,9})?\s*(?:(-|:|,|\.\.+|to)\s*(\d{1,9})?)?\s*")


class _UnclearError(Exception):
    """What is asked for makes no sense; the message says why."""


def shown(text: str, lines: object = None, pattern: object = None) -> str:
    """The answer to a recall, a sentence where what it asks for makes no sense. Never raises."""
    rows = _rows(text)
    try:
        first, last = _range(lines, len(rows))
        sought = _sought(pattern)
    except _UnclearError as unclear:
        return f"{unclear} The text has {_lines(len(rows))}."
    if sought is None:
        return _from(rows, first, last)
    return _found(rows, range(first - 1, last), sought)


def _rows(text: str) -> list[str]:
    rows: list[str] = []
    for line in text.split("\n"):
        if len(line) <= _WIDTH:
            rows.append(line)
        else:
            rows += _wrapped(line)
    if len(rows) > 1 and not rows[-1]:
        rows.pop()  # the text ends with a line's end
    return rows


def _wrapped(line: str) -> Iterable[str]:
    """Behind a blank or a comma where there is one, so that a value is not torn."""
    at = 0
    while len(line) - at > _WIDTH:
        border = max(line.rfind(" ", at + _LEAST_WIDTH, at + _WIDTH), line.rfind(",", at + _LEAST_WIDTH, at + _WIDTH))
        end = border + 1 if border >= 0 else at + _WIDTH
        yield line[at:end]
        at = end
    yield line[at:]


def _range(lines: object, count: int) -> tuple[int, int]:
    """First and last line, from 1; the whole text where nothing is said."""
    told = lines
    if isinstance(told, list | tuple) and len(told) == 2:
        told = f"{told[0]}-{told[1]}"
    elif isinstance(told, int) and not isinstance(told, bool):
        told = str(told)
    if told is None or told == "":
        return 1, count
    match = _RANGE.fullmatch(told) if isinstance(told, str) and len(told) < 64 else None
    if match is None or not (match[1] or match[3]):
        raise _UnclearError('`lines` is "from-to", as in "120-180".')
    first = int(match[1] or 1)
    last = first if match[2] is None else min(int(match[3] or count), count)
    if first > count or first < 1:
        raise _UnclearError(f"There is no line {first}.")
    if last < first:
        raise _UnclearError('`lines` is "from-to", and from comes first.')
    return first, last


def _sought(pattern: object) -> str | None:
    if pattern is None or pattern == "":
        return None
    if not isinstance(pattern, str):
        raise _UnclearError("`pattern` is a text or a regular expression.")
    if len(pattern) > _LONGEST_PATTERN:
        raise _UnclearError(f"`pattern` has at most {_LONGEST_PATTERN} characters.")
    return pattern


def _from(rows: list[str], first: int, last: int) -> str:
    body, after = _numbered(rows, range(first - 1, last))
    until = f"{first}-{after}" if after > first else str(first)
    whole = first == 1 and after == len(rows)
    head = f"{_lines(len(rows))}, all shown." if whole else f"{_lines(len(rows))}, {until} shown."
    if after < len(rows):
        head += f' More: lines "{after + 1}-{len(rows)}", or a pattern.'
    return f"{head}\n{body}"


def _found(rows: list[str], within: range, pattern: str) -> str:
    matching, how = _matching(rows, within, pattern)
    if not matching:
        return f"{_lines(len(rows))}, none matches{how}. Try another pattern, or lines."
    around = sorted({near for at in matching for near in (at - 1, at, at + 1) if near in within})
    if sum(len(rows[at]) + 8 for at in around) > CHARS:
        around = matching
    body, after = _numbered(rows, around)
    head = f"{_lines(len(rows))}, {len(matching)} match{'es' if len(matching) == 1 else ''}{how}."
    left = sum(1 for at in matching if at >= after)
    if left:
        head += f' {left} of them are not shown: ask with lines "{after + 1}-{within.stop}".'
    return f"{head}\n{body}"


def _numbered(rows: list[str], places: Iterable[int]) -> tuple[str, int]:
    """The rows with their numbers, as many as fit and at least one; and the number of the last one."""
    told: list[str] = []
    room, last = CHARS, 0
    for at in places:
        row = f"{at + 1}: {rows[at]}"
        room -= len(row) + 1
        if room < 0 and told:
            break
        told.append(row)
        last = at + 1
    return "\n".join(told), last


def _matching(rows: list[str], within: range, pattern: str) -> tuple[list[int], str]:
    """The rows with the pattern in them, and what is to be said of how it was searched for."""
    compiled = _compiled(pattern)
    if compiled is not None:
        until = time.monotonic() + _SECONDS
        try:
            # `concurrent` gives the interpreter free: others go on while this thread searches.
            return [at for at in within if compiled.search(rows[at], timeout=_left(until), concurrent=True)], ""
        except TimeoutError:
            return _plainly(rows, within, pattern), " (as plain text: the expression takes too long)"
    return _plainly(rows, within, pattern), " (as plain text: it is no regular expression)"


def _plainly(rows: list[str], within: range, pattern: str) -> list[int]:
    folded = pattern.casefold()
    return [at for at in within if folded in rows[at].casefold()]


def _compiled(pattern: str) -> Any:
    """As an expression that Python knows too, since what only `regex` knows (recursion) is meant as text."""
    try:
        re.compile(pattern)
        return regex.compile(pattern, regex.IGNORECASE)
    except (re.error, regex.error, OverflowError, RecursionError, Warning):  # warnings may be set to raise
        return None


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, _LINE_SECONDS)


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
