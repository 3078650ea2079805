"""Scores how hard a request looks, from 1 to 10, as the sum of four named factors.

The factors and the kinds of work are data in tiers.yaml. Nothing here waits, remembers an outcome or reads more than a
bounded part of a request; the same request always has the same score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Final

from gateway.api import ChatRequest, Complexity, Factor, Host, Plugin, Scorer, Tier
from gateway_complexity import factors
from gateway_complexity.conversation import Conversation, read, read_body
from gateway_complexity.defaults import FACTORS, TASK_TYPES
from gateway_complexity.factors import Scale, Signals
from gateway_complexity.memory import Memory
from gateway_complexity.tasks import Recogniser

__all__ = ["FourFactors", "score_bodies"]

SURE: Final = 0.5
"""From this confidence on a recognised kind may force the strong tier."""


class FourFactors(Plugin, Scorer):
    """Scores a request from 1 to 10 by the factors and task types of the configuration."""

    Settings: ClassVar[type[Signals]] = Signals

    def __init__(self, host: Host, settings: Signals) -> None:
        super().__init__(host, settings)
        routing = host.routing
        self._rules = _Rules(
            Recogniser(routing.task_types), Scale.of(routing.factors), settings, frozenset(routing.force_strong_for)
        )

    def score(self, request: ChatRequest) -> Complexity:
        return self._rules.complexity(read(request), told=request.hints.task_type)


def score_bodies(bodies: Sequence[Any]) -> list[float]:
    """The scores of OpenAI chat bodies with the factors as shipped, for measuring. A body of any shape has a score."""
    rules = _shipped()
    return [rules.complexity(read_body(body)).score for body in bodies]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a score is made by, and the memory that spares reading a text twice."""

    recogniser: Recogniser
    scale: Scale
    weights: Signals
    forced: frozenset[str] = frozenset()
    memory: Memory = field(default_factory=Memory)

    def complexity(self, conversation: Conversation, *, told: str | None = None) -> Complexity:
        recogniser = self.recogniser
        task = recogniser.told(told) if told else recogniser.recognise(conversation.newest, conversation.first)
        shares = (
            factors.context_size(conversation, self.scale),
            factors.task_type(conversation, task, self.scale, self.weights, self.memory),
            factors.breadth(conversation, self.scale, self.weights, self.memory),
            factors.past_failures(conversation, self.scale, self.memory),
        )
        score = max(1.0, min(10.0, sum([factor.value for factor in shares])))
        force = Tier.STRONG if task.name in self.forced and task.confidence >= SURE else None
        largest = max(shares, key=_weight)
        return Complexity(
            score=score,
            task_type=task.name,
            factors=shares,
            confidence=task.confidence,
            reason=f"{task.reason}; most of it: {largest.name} ({largest.reason})",
            force=force,
        )


def _weight(factor: Factor) -> float:
    return factor.value / factor.maximum if factor.maximum else 0.0


@cache
def _shipped() -> _Rules:
    return _Rules(Recogniser(TASK_TYPES), Scale.of(FACTORS), Signals())
