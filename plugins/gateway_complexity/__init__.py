"""Scores how hard a request looks, from 1 to 10, as the sum of four named factors.

The factors and the kinds of work are data in tiers.yaml. Nothing here waits, remembers an outcome or reads more than a
bounded part of a request; the same request always has the same score.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Final

from gateway.api import ChatRequest, Complexity, Host, Plugin, Scorer, Tier
from gateway_complexity import factors
from gateway_complexity.conversation import Conversation, read, read_body
from gateway_complexity.defaults import FACTORS, TASK_TYPES
from gateway_complexity.factors import Scale, Signals
from gateway_complexity.tasks import Recognised, Recogniser

__all__ = ["FourFactors", "score_bodies"]

SURE: Final = 0.5
"""From this confidence on a recognised kind may force the strong tier."""


class FourFactors(Plugin, Scorer):
    """The scorer that ships with the gateway."""

    Settings: ClassVar[type[Signals]] = Signals

    def __init__(self, host: Host, settings: Signals) -> None:
        super().__init__(host, settings)
        routing = host.routing
        self._recogniser = Recogniser(routing.task_types)
        self._scale = Scale.of(routing.factors)
        self._forced = frozenset(routing.force_strong_for)
        self._signals = settings

    def score(self, request: ChatRequest) -> Complexity:
        conversation = read(request)
        told = request.hints.task_type
        if told:
            task = self._recogniser.told(told)
        else:
            task = self._recogniser.recognise(conversation.newest, conversation.first)
        return _complexity(conversation, task, self._scale, self._signals, forced=self._forced)


def score_bodies(bodies: Sequence[Any]) -> list[float]:
    """The scores of OpenAI chat bodies with the factors as shipped, for measuring. A body of any shape has a score."""
    recogniser, scale, weights = _shipped()
    scores = []
    for body in bodies:
        conversation = read_body(body)
        task = recogniser.recognise(conversation.newest, conversation.first)
        scores.append(_complexity(conversation, task, scale, weights, forced=frozenset()).score)
    return scores


@cache
def _shipped() -> tuple[Recogniser, Scale, Signals]:
    return Recogniser(TASK_TYPES), Scale.of(FACTORS), Signals()


def _complexity(
    conversation: Conversation, task: Recognised, scale: Scale, weights: Signals, *, forced: frozenset[str]
) -> Complexity:
    shares = (
        factors.context_size(conversation, scale),
        factors.task_type(conversation, task, scale, weights),
        factors.breadth(conversation, scale, weights),
        factors.past_failures(conversation, scale),
    )
    score = max(1.0, min(10.0, sum(factor.value for factor in shares)))
    force = Tier.STRONG if task.name in forced and task.confidence >= SURE else None
    largest = max(shares, key=lambda factor: factor.value / factor.maximum if factor.maximum else 0.0)
    return Complexity(
        score=score,
        task_type=task.name,
        factors=shares,
        confidence=task.confidence,
        reason=f"{task.reason}; most of it: {largest.name} ({largest.reason})",
        force=force,
    )
