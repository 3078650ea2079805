"""Recognise which of the configured kinds of work a request is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.api import TaskType

UNKNOWN: Final = "unknown"
_FIRST: Final = 2.0
"""What a type's first pattern weighs: it is its plainest wording. Each of the others weighs 1."""
_FIRST_TURN: Final = 0.5
"""What a session's first turn counts beside the newest one: it anchors "go on" and "yes, do that"."""

_LETTERS: Final = re.compile(r"[a-z]+")
_TOKEN: Final = re.compile(r"\w+")
_OPTIONAL: Final = frozenset("?*{")
_LONGEST: Final = 5


@dataclass(frozen=True, slots=True)
class Recognised:
    """A kind of work, how sure that is (0-1), and how it is known. Its points are `None` where it is unknown."""

    name: str
    points: float | None
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class _Pattern:
    task: str
    weight: float
    expression: re.Pattern[str]


class Recogniser:
    """Matches the configured patterns, regardless of case. Raises `ValueError` for one that is no regular expression.

    The same texts come again with every step of a tool loop, so what the latest texts matched is remembered; that
    changes nothing but the time.
    """

    def __init__(self, types: Sequence[TaskType]) -> None:
        self._points = {task.name: task.points for task in types}
        starting: dict[str, list[_Pattern]] = {}
        anywhere: list[_Pattern] = []
        for task in types:
            for index, text in enumerate(task.patterns):
                pattern = _compile(task.name, text, _FIRST if index == 0 else 1.0)
                heads = beginnings(text)
                for head in heads or ():
                    starting.setdefault(head, []).append(pattern)
                if heads is None:
                    anywhere.append(pattern)
        self._starting: Mapping[str, Sequence[_Pattern]] = starting
        self._anywhere = tuple(anywhere)
        self._lengths = tuple(sorted({len(head) for head in starting}))
        self._shortest = min(self._lengths, default=0)
        self._openings = frozenset(head[: self._shortest] for head in starting)
        self._evidence = lru_cache(maxsize=256)(self._match)

    def told(self, name: str) -> Recognised:
        """What the caller says holds; a name that is not configured is unknown, and said so."""
        points = self._points.get(name)
        if points is None:
            return Recognised(UNKNOWN, None, 0.0, f"task type {name[:40]!a} is not configured")
        return Recognised(name, points, 1.0, f"{name}, told by the caller")

    def recognise(self, newest: str, first: str) -> Recognised:
        evidence = dict(self._evidence(newest))
        if first != newest:
            for name, weight in self._evidence(first):
                evidence[name] = evidence.get(name, 0.0) + _FIRST_TURN * weight
        if not evidence:
            return Recognised(UNKNOWN, None, 0.0, "kind of task not recognised")
        # Ties go to the dearer kind: a mistake upwards costs cents, one downwards costs the answer.
        ranked = sorted(evidence, key=lambda name: (evidence[name], self._points[name]), reverse=True)
        best = evidence[ranked[0]]
        second = evidence[ranked[1]] if len(ranked) > 1 else 0.0
        confidence = (best - second / 2) / (best + 1)
        return Recognised(ranked[0], self._points[ranked[0]], confidence, f"{ranked[0]}, recognised")

    def _match(self, text: str) -> tuple[tuple[str, float], ...]:
        """The weight of the patterns found, by kind of work; each pattern counts once."""
        lower = text.lower()
        matched = dict.fromkeys(pattern for pattern in self._anywhere if pattern.expression.search(lower))
        for token in _TOKEN.finditer(lower):
            word = token[0]
            if word[: self._shortest] in self._openings:
                for pattern in self._candidates(word):
                    if pattern not in matched and pattern.expression.match(lower, token.start()):
                        matched[pattern] = None
        weights: dict[str, float] = {}
        for pattern in matched:
            weights[pattern.task] = weights.get(pattern.task, 0.0) + pattern.weight
        return tuple(weights.items())

    def _candidates(self, word: str) -> Iterator[_Pattern]:
        """The patterns that may match at a word; a head longer than the word is not in it."""
        for length in self._lengths:
            if length <= len(word):
                yield from self._starting.get(word[:length], ())


def _compile(task: str, pattern: str, weight: float) -> _Pattern:
    try:
        # The text is in lower case; ignoring case costs twice the time, so only where a capital may ask for it.
        expression = re.compile(pattern, 0 if pattern.islower() else re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"routing.task_types: {task}: {pattern!r} is no regular expression: {error}") from error
    return _Pattern(task, weight, expression)


def beginnings(pattern: str) -> frozenset[str] | None:
    r"""The first letters, up to five, with one of which a match of `pattern` begins; `None` where that is not plain.

    Fifty expressions over a prompt take a millisecond, and nearly none can match. Patterns such as `\b(fix|solve)...`
    or `\brefactor...` begin at a word with fixed letters, so they need to be tried at such words only.
    """
    if not pattern.startswith(r"\b") or len(_choices(pattern)) > 1:
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
