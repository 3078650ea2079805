r"""Find the configured patterns in a text, without trying each of them everywhere.

Fifty expressions over a prompt take a millisecond, and nearly none can match. Most know their kind of work by two
words, as `\b(fix|solve)\b.{0,60}\bbugs?\b` does. So the words of a text are looked at first, and a pattern is
tried only where its first word stands, and only if its last one is in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.api import TaskType
from gateway_complexity.signals import words

_FIRST: Final = 2.0
"""What a type's first pattern weighs: it is its plainest wording. Each of the others weighs 1."""

_LETTERS: Final = re.compile(r"[a-z]+")
_OPTIONAL: Final = frozenset("?*{")
_LONGEST: Final = 5
_GAP: Final = re.compile(r"(?<!\\)\.\{\d+,\d+\}(?=\\b)")
"""`.{0,60}\\b`, which stands between two words."""
_INTRICATE: Final = re.compile(r"\[[^\]]*[()|\\]")
"""A set of characters with one that has a meaning outside of it: such patterns are not taken apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """One expression of a kind of work. `needs`: see the function of that name."""

    task: str
    weight: float
    expression: re.Pattern[str]
    needs: frozenset[str]


class Patterns:
    """The patterns of some kinds of work, by the heads of words (their first letters, up to five) that they need.
    Raises `ValueError` for one that is no regular expression."""

    def __init__(self, types: Sequence[TaskType]) -> None:
        self._anywhere: list[Pattern] = []
        starting: dict[str, list[Pattern]] = {}
        heads: set[str] = set()
        for task in types:
            for index, text in enumerate(task.patterns):
                pattern = _compile(task.name, text, _FIRST if index == 0 else 1.0)
                begins = beginnings(text)
                if begins is None:
                    self._anywhere.append(pattern)
                for head in begins or ():
                    starting.setdefault(head, []).append(pattern)
                heads |= pattern.needs
        heads.update(starting)
        self._starting = {head: tuple(patterns) for head, patterns in starting.items()}
        self._heads = frozenset(heads)
        self._lengths = sorted({len(head) for head in heads})

    def found_in(self, text: str) -> Iterable[Pattern]:
        """Those that match, each once, in the order in which they do."""
        lower = text.lower()
        found = dict.fromkeys([pattern for pattern in self._anywhere if pattern.expression.search(lower)])
        spoken = set(words(lower))
        present = self._heads.intersection([word[:length] for length in self._lengths for word in spoken])
        places = [(start, one) for one in present for start in self._places(one, present, lower)]
        for start, head in sorted(places):
            for pattern in self._starting[head]:
                if pattern not in found and pattern.expression.match(lower, start):
                    found[pattern] = None
        return found

    def _places(self, head: str, present: frozenset[str], text: str) -> list[int]:
        """Where a head stands in a text, in the midst of words too, if a pattern that begins with it may be found."""
        places: list[int] = []
        if any(not one.needs or not one.needs.isdisjoint(present) for one in self._starting.get(head, ())):
            place = text.find(head)
            while place >= 0:
                places.append(place)
                place = text.find(head, place + 1)
        return places


def _compile(task: str, pattern: str, weight: float) -> Pattern:
    try:
        # The text is in lower case; ignoring case costs twice the time, so only where a capital may ask for it.
        expression = re.compile(pattern, 0 if pattern.islower() else re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"routing.task_types: {task}: {pattern!r} is no regular expression: {error}") from error
    return Pattern(task, weight, expression, needs(pattern))


def beginnings(pattern: str) -> frozenset[str] | None:
    r"""The first letters, up to five, with one of which a match of `pattern` begins; `None` where that is not plain.

    Patterns such as `\b(fix|solve)...` or `\brefactor...` begin at a word with fixed letters.
    """
    if not pattern.startswith(r"\b") or len(_choices(pattern)) > 1 or _INTRICATE.search(pattern):
        return None
    head = pattern[2:]
    if head.startswith("("):
        group, after = _group(head)
        if group.startswith("?") or after[:1] in _OPTIONAL:
            return None
        choices = _choices(group)
    else:
        choices = [head]
    found = {_fixed(choice) for choice in choices}
    return None if "" in found else frozenset(found)


def needs(pattern: str) -> frozenset[str]:
    r"""The same for the word behind the last gap: `\b(fix|solve)\b.{0,60}\bbugs?\b` needs one that begins with `bug`.
    Empty where that is not plain. Most texts with the first word of a pattern lack the other one.
    """
    *before, end = _GAP.split(pattern)
    if not before or len(_choices(pattern)) > 1 or _INTRICATE.search(pattern):
        return frozenset()
    inside_a_group = end.count(")") != end.count("(") or "\\(" in end or "\\)" in end
    return frozenset() if inside_a_group else beginnings(end) or frozenset()


def _fixed(choice: str) -> str:
    """The letters it surely begins with. One before a quantifier may be absent: `docs?` begins with `doc`."""
    letters = _LETTERS.match(choice)
    if letters is None:
        return ""
    optional = choice[letters.end() : letters.end() + 1] in _OPTIONAL
    return letters[0][: -1 if optional else None][:_LONGEST]


def _group(pattern: str) -> tuple[str, str]:
    """What stands in the parentheses that `pattern` begins with, and what follows them."""
    depth = 0
    for index, character in enumerate(pattern):
        if pattern[index - 1 : index] == "\\":
            continue
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return pattern[1:index], pattern[index + 1 :]
    return "?", ""


def _choices(pattern: str) -> list[str]:
    """`pattern` split at its outermost `|`."""
    depth, start, found = 0, 0, []
    for index, character in enumerate(pattern):
        if pattern[index - 1 : index] == "\\":
            continue
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            found.append(pattern[start:index])
            start = index + 1
    return [*found, pattern[start:]]
