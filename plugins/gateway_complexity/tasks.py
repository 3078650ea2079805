"""Recognise which of the configured kinds of work a request is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.api import TaskType
from gateway_complexity.patterns import Patterns

UNKNOWN: Final = "unknown"
_FIRST_TURN: Final = 0.5
"""What a session's first turn counts beside the newest one: it anchors "go on" and "yes, do that"."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A kind of work, how sure that is (0-1), and how it is known. Its points are `None` where it is unknown."""

    name: str
    points: float | None
    confidence: float
    reason: str


class Recogniser:
    """Matches the configured patterns, regardless of case. Raises `ValueError` for one that is no regular expression.

    The same texts come again with every step of a tool loop, so what the latest texts matched is remembered; that
    changes nothing but the time.
    """

    def __init__(self, types: Sequence[TaskType]) -> None:
        self._points = {task.name: task.points for task in types}
        self._patterns = Patterns(types)
        self._evidence = lru_cache(maxsize=256)(self._match)
        self._recognised = lru_cache(maxsize=256)(self._recognise)

    def told(self, name: str) -> Recognised:
        """What the caller says holds; a name that is not configured is unknown, and said so."""
        points = self._points.get(name)
        if points is None:
            return Recognised(UNKNOWN, None, 0.0, f"task type {name[:40]!a} is not configured")
        return Recognised(name, points, 1.0, f"{name}, told by the caller")

    def recognise(self, newest: str, first: str) -> Recognised:
        return self._recognised(newest, first)

    def _recognise(self, newest: str, first: str) -> Recognised:
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
        weights: dict[str, float] = {}
        for pattern in self._patterns.found_in(text):
            weights[pattern.task] = weights.get(pattern.task, 0.0) + pattern.weight
        return tuple(weights.items())
