"""Makes prompts shorter without making them say less.

Tool results are rewritten once, when they enter the conversation, as a pure function of themselves and of what
came before them; nothing else is touched. `docs/explanation/context.md` explains the rules and shows the figures.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Literal

from pydantic import Field

from gateway.api import CallView, ChatRequest, Host, Json, Optimized, Optimizer, Plugin, Settings
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.reduction import Reduction

__all__ = ["Reduce", "ReduceSettings", "optimize_body"]

Transform = Literal["terminal", "records", "base64", "repeats"]


class ReduceSettings(Settings):
    """`transforms` are those that run; a text that would lose fewer than `min_gain` tokens stays as it is."""

    transforms: tuple[Transform, ...] = ("terminal", "records", "base64", "repeats")
    min_gain: int = Field(default=4, ge=1)


class Reduce(Plugin, Optimizer):
    """Cuts noise, repeated keys and repeated lines from tool results."""

    Settings = ReduceSettings

    def __init__(self, host: Host, settings: ReduceSettings) -> None:
        super().__init__(host, settings)
        self._reduction = Reduction(frozenset(settings.transforms), settings.min_gain)

    async def start(self) -> None:
        await asyncio.to_thread(self._reduction.load)

    def optimize(self, request: ChatRequest, call: CallView) -> Optimized:  # noqa: ARG002 - the same for every caller
        return Optimized(self._reduction.edits(request.parts))


@cache
def _default_reduction() -> Reduction:
    settings = ReduceSettings()
    return Reduction(frozenset(settings.transforms), settings.min_gain)


def optimize_body(body: Json) -> Json:
    """A chat-completions body with shorter tool results; the given body is not changed. Raises nothing for any JSON."""
    edits = _default_reduction().edits(parts_of(body))
    return with_edits(body, edits) if edits else body
