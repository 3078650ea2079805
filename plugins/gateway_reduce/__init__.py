"""Makes prompts shorter without making them say less than an agent needs.

Tool results are rewritten once, when they enter the conversation, as a pure function of themselves and of what
came before them; nothing else is touched. `docs/explanation/context.md` explains the rules and shows the figures.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Literal

from pydantic import Field

from gateway.api import (
    CallView,
    ChatRequest,
    Host,
    Json,
    Optimized,
    Optimizer,
    Plugin,
    Settings,
    recall_pays,
    recall_tool,
)
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.reduction import Reduction, Rules

__all__ = ["Reduce", "ReduceSettings", "optimize_body", "optimize_body_lossless"]

Level = Literal["lossless", "careful"]
Transform = Literal[
    "records", "templates", "diffs", "terminal", "runs", "frames", "listing", "base64", "stash", "repeats", "compaction"
]
ALL: tuple[Transform, ...] = Transform.__args__  # type: ignore[attr-defined]  # what a Literal holds


class ReduceSettings(Settings):
    """`level`: `lossless` says the same in fewer tokens; `careful` also leaves things out, says so in place, and keeps
    them where the model can ask for them. `transforms` are those that may run at all; a text that would lose fewer
    than `min_gain` tokens stays as it is. `observations`: results that an agent without tool calls carries in users'
    messages, in a frame that is known, are results too."""

    level: Level = "careful"
    transforms: tuple[Transform, ...] = ALL
    min_gain: int = Field(default=4, ge=1)
    observations: bool = False

    @property
    def rules(self) -> Rules:
        return Rules(frozenset(self.transforms), self.level == "careful", self.min_gain, self.observations)


class Reduce(Plugin, Optimizer):
    """Cuts noise, repeated keys, repeated lines and machine output from tool results."""

    Settings = ReduceSettings

    def __init__(self, host: Host, settings: ReduceSettings) -> None:
        super().__init__(host, settings)
        self._reduction = Reduction(settings.rules)

    async def start(self) -> None:
        await asyncio.to_thread(self._reduction.load)

    def optimize(self, request: ChatRequest, call: CallView) -> Optimized:
        return self._reduction.optimized(request.parts, recall=call.recall, cold_at=call.cold_at)


def optimize_body(body: Json) -> Json:
    """A chat-completions body as a gateway with the shipped settings sends it: with shorter tool results, and where
    it pays with the tool `recall`. The given body is not changed. Raises nothing for any JSON."""
    return _optimized(body, "careful")


def optimize_body_lossless(body: Json) -> Json:
    """As `optimize_body`, with those transforms only that leave nothing out."""
    return _optimized(body, "lossless")


@cache
def _reduction(level: Level) -> Reduction:
    return Reduction(ReduceSettings(level=level).rules)


def _optimized(body: Json, level: Level) -> Json:
    parts = parts_of(body)
    tools = body.get("tools")
    given = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    recall = level == "careful" and recall_pays(given, parts)
    edits = _reduction(level).optimized(parts, recall=recall).edits
    changed = with_edits(body, edits) if edits else body
    return {**changed, "tools": [*body["tools"], recall_tool()]} if recall else changed
