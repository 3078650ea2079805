"""What is measured: the plugin in this process, or a gateway that has it, by what arrives at its upstream."""

from __future__ import annotations

import asyncio
import copy
import time
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from bench.context.traces import Json
from gateway.api import Caller, CallView, ChatRequest, Host, Warmth, recall_pays, recall_tool
from gateway_reduce import Reduce, ReduceSettings
from gateway_reduce.body import parts_of, with_edits

Level = Literal["lossless", "careful"]


BENCH = Caller("bench")
COLD = Warmth()


@dataclass(frozen=True)
class View:
    """What a plugin is told of a call; see `gateway.api.CallView`."""

    id: str = "bench"
    caller: Caller = BENCH
    session: str = "bench"
    warmth: Warmth = COLD
    recall: bool = False
    cold_at: int = 0


@dataclass(frozen=True)
class Sent:
    """What became of a request: the body that the provider reads, the seconds of processor time it took to find the
    edits (`None`: another process did), the bodies that followed before there was an answer (`None`: nobody played
    the model), and the body as it would have been sent untouched, where that differs from the one given."""

    body: Json
    seconds: float | None = None
    more: tuple[Json, ...] | None = None
    untouched: Json | None = None


class Optimizer(Protocol):
    def send(self, session: str, body: Json, cold_at: int, wanted: frozenset[str] = frozenset()) -> Sent:
        """Optimize a request of a session; what it did for the ones before may be remembered. `wanted` is what the
        model needs for its answer."""

    def fresh(self) -> Optimizer | None:
        """One that remembers nothing; `None` where that cannot be had."""


class Plugin:
    """The plugin in this process, its vocabulary read."""

    def __init__(self, level: Level, *, recall: bool) -> None:
        self._level: Level = level
        self._recall = recall
        self._plugin = Reduce(cast(Host, None), ReduceSettings(level=level))  # it asks its host for nothing
        asyncio.run(self._plugin.start())

    def send(self, session: str, body: Json, cold_at: int, wanted: frozenset[str] = frozenset()) -> Sent:
        parts, tools = parts_of(body), body.get("tools") or []
        recall = self._recall and self._level == "careful" and recall_pays(tools, parts)
        request = ChatRequest(copy.deepcopy(body), parts, len(body["messages"]), 0)
        view: CallView = View(session=session, recall=recall, cold_at=cold_at)
        start = time.process_time()
        edits = self._plugin.optimize(request, view).edits
        seconds = time.process_time() - start
        changed = with_edits(body, edits)
        return Sent({**changed, "tools": [*tools, recall_tool()]} if recall else changed, seconds)

    def fresh(self) -> Plugin:
        return Plugin(self._level, recall=self._recall)
