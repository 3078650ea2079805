"""The four factors: their data from `routing.factors`, and their points for one conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from gateway.api import Factor, Settings
from gateway_complexity import signals
from gateway_complexity.conversation import Conversation
from gateway_complexity.defaults import FACTORS
from gateway_complexity.failures import Failures, edges, repeats
from gateway_complexity.memory import Memory
from gateway_complexity.tasks import Recognised

CHARACTERS_PER_TOKEN: Final = 4
MAX_CONTEXT: Final = 3.0
MAX_TASK: Final = 4.0
MAX_BREADTH: Final = 2.0
_CALL_READ: Final = 300
"""Characters of a tool call's arguments that are searched for file names."""

Points = Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)]


class Signals(Settings):
    """Points that each trait of a request adds inside its factor when it is at its strongest."""

    length: Points = 0.5
    code: Points = 0.4
    negation: Points = 0.2
    misfit: Points = 1.4
    tools: Points = 0.5
    several: Points = 0.5
    parameters: Points = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """Up to and including `up_to` a factor has `points`; `None` is no end."""

    up_to: float | None
    points: float


@dataclass(frozen=True, slots=True)
class Scale:
    """`routing.factors` in the shape that scoring needs."""

    context: tuple[Step, ...]
    unrecognised: float
    breadth: tuple[Step, ...]
    failures: float

    @staticmethod
    def of(factors: Mapping[str, Any]) -> Scale:
        """A factor that the configuration leaves out is as shipped."""
        given = {**FACTORS, **{name: value for name, value in factors.items() if value is not None}}
        return Scale(
            context=_steps(given["context_size"]),
            unrecognised=float(given["task_type"]["default"]),
            breadth=_steps(given["breadth"]),
            failures=float(given["past_failures"]["max"]),
        )


def _steps(data: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(step.get("up_to"), float(step["points"])) for step in data)


def _at(steps: Sequence[Step], value: float) -> float:
    for step in steps:
        if step.up_to is None or value <= step.up_to:
            return step.points
    return steps[-1].points


def context_size(conversation: Conversation, scale: Scale) -> Factor:
    tokens = conversation.characters // CHARACTERS_PER_TOKEN
    return Factor("context_size", min(_at(scale.context, tokens), MAX_CONTEXT), MAX_CONTEXT, f"about {tokens} tokens")


def task_type(conversation: Conversation, task: Recognised, scale: Scale, weights: Signals, memory: Memory) -> Factor:
    """The kind's points, and what the newest turn's own form adds to them."""
    text = conversation.newest
    base = scale.unrecognised if task.points is None else task.points
    demand = (
        weights.length * signals.length(conversation.newest_length)
        + weights.code * memory.code(text)
        + weights.negation * memory.negation(text)
    )
    return Factor(
        "task_type", min(base + demand, MAX_TASK), MAX_TASK, f"{task.reason}: {base:g}, its wording adds {demand:.2f}"
    )


def breadth(conversation: Conversation, scale: Scale, weights: Signals, memory: Memory) -> Factor:
    calls = [part for part in conversation.recent if part.kind == "tool_call"]
    files = memory.files(conversation.newest).union(*[memory.files(call.text[:_CALL_READ]) for call in calls])
    points = _at(scale.breadth, len(files) + conversation.offered)
    reason = f"files named: {len(files)}, tools offered: {conversation.offered}"
    if conversation.tools:
        # Once a tool has been called the tools are shown to fit, whatever their words.
        misfit = 0.0 if calls else _misfit(conversation, memory)
        required = sum([tool.required for tool in conversation.tools]) / len(conversation.tools)
        points += (
            weights.misfit * misfit
            + weights.tools * signals.growth(conversation.offered, 1, 32)
            + weights.several * memory.several(conversation.newest)
            + weights.parameters * signals.growth(required, 1, 10)
        )
        reason += "; the tools hardly fit the request" if misfit > 0.6 else ""
    return Factor("breadth", min(points, MAX_BREADTH), MAX_BREADTH, reason)


def _misfit(conversation: Conversation, memory: Memory) -> float:
    asked = memory.asked(conversation.newest)
    return signals.misfit(asked, conversation.tools, conversation.offered, memory.vocabulary)


def past_failures(conversation: Conversation, scale: Scale, memory: Memory) -> Factor:
    recent = conversation.recent
    found = Failures(
        errors=sum([memory.failed(edges(part.text)) for part in recent if part.kind == "tool_result"]),
        repeats=repeats(recent),
        corrected=conversation.answered and memory.corrects(conversation.newest),
    )
    return Factor("past_failures", scale.failures * found.share, scale.failures, found.reason)
