"""Replays sessions turn by turn through the plugin and adds up what became of them."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from types import SimpleNamespace
from typing import cast

from bench.context.billing import Bill
from bench.context.rules import kept, needles, text_of, valid
from bench.context.traces import Json, Session
from gateway.api import CallView, ChatRequest, Host
from gateway_reduce import Reduce, ReduceSettings
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.tokens import Tokens

_VIEW = SimpleNamespace(recall=False, cold_at=0)
PICTURE = 765  # tokens; only differences matter


@dataclass
class Figures:
    """Sums over the turns of one kind of traffic."""

    requests: int = 0
    valid: int = 0
    needles: int = 0
    kept: int = 0
    sessions: int = 0
    deterministic: int = 0
    idempotent: int = 0
    before: Bill = field(default_factory=Bill)
    after: Bill = field(default_factory=Bill)
    first: list[float] = field(default_factory=list)  # microseconds of processor time
    newest: list[float] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        for name in ("requests", "valid", "needles", "kept", "sessions", "deterministic", "idempotent"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.before, other.before), (self.after, other.after)):
            for name in ("openai", "anthropic", "uncached", "tokens", "shared", "repeatable"):
                setattr(mine, name, getattr(mine, name) + getattr(theirs, name))
        self.first += other.first
        self.newest += other.newest


class Bench:
    """Runs sessions through one fresh plugin each, as a gateway that has just started would."""

    def __init__(self) -> None:
        self._tokens = Tokens()

    def session(self, session: Session) -> Figures:
        figures = Figures(sessions=1)
        plugin = fresh_plugin()
        body: Json = session.body
        after: Json = body
        for turn in session.turns():
            body = turn.body
            after, micros = run(plugin, body)
            if figures.requests:
                figures.newest.append(micros)
            figures.requests += 1
            figures.valid += valid(body, after)
            wanted = needles(turn)
            figures.needles += len(wanted)
            figures.kept += kept(wanted, after)
            figures.before.turn(self._prompt(body))
            figures.after.turn(self._prompt(after))
        other = fresh_plugin()
        again, micros = run(other, body)
        figures.first.append(micros)
        figures.deterministic += again == after
        figures.idempotent += run(other, after)[0] == after
        return figures

    def _prompt(self, body: Json) -> list[tuple[str, int]]:
        segments = [(json.dumps(body["tools"]), 0)] if body.get("tools") else []
        segments += [(f"{message.get('role')}\n{text_of(message)}", _pictures(message)) for message in body["messages"]]
        return [(text, self._tokens.count(text) + PICTURE * pictures) for text, pictures in segments]


def _pictures(message: Json) -> int:
    content = message.get("content")
    pieces = content if isinstance(content, list) else ()
    return sum(isinstance(piece, dict) and piece.get("type") == "image_url" for piece in pieces)


def fresh_plugin() -> Reduce:
    """A plugin that remembers nothing, its vocabulary read."""
    plugin = Reduce(cast(Host, None), ReduceSettings())  # it asks its host for nothing
    asyncio.run(plugin.start())
    return plugin


def run(plugin: Reduce, body: Json) -> tuple[Json, float]:
    """The optimized body and the microseconds of processor time it took to find the edits."""
    request = ChatRequest(copy.deepcopy(body), parts_of(body), len(body["messages"]), 0)
    start = time.process_time()
    edits = plugin.optimize(request, cast(CallView, _VIEW)).edits
    return with_edits(body, edits), (time.process_time() - start) * 1e6


def large_body(sessions: list[Session], tokens: int) -> Json:
    """One conversation of about so many tokens: turns of all sessions by turns, each call with its results."""
    counter, messages, size = Tokens(), list[Json](), 0
    rounds = zip_longest(*(list(_exchanges(at, session)) for at, session in enumerate(sessions)))
    for exchange in (exchange for turn in rounds for exchange in turn if exchange):
        if size < tokens:
            messages += exchange
            size += sum(counter.count(text_of(message)) for message in exchange)
    return {"model": "any", "messages": messages}


def _exchanges(at: int, session: Session) -> Iterator[list[Json]]:
    """The calls of a session with their results, under ids that no other session has."""
    exchange: list[Json] = []
    for message in session.body["messages"]:
        copied = copy.deepcopy(message)
        if copied.get("tool_calls"):
            if exchange:
                yield exchange
            for call in copied["tool_calls"]:
                call["id"] = f"{at}_{call['id']}"
            exchange = [copied]
        elif copied["role"] == "tool" and exchange:
            copied["tool_call_id"] = f"{at}_{copied['tool_call_id']}"
            exchange.append(copied)
    if exchange:
        yield exchange


def large_times(body: Json, rounds: int = 9) -> tuple[float, float]:
    """Milliseconds of processor time (the best of all rounds: others slow it down, nothing makes it faster) for a
    conversation at first sight, and for one message more."""
    first, newest = [], []
    for _ in range(rounds):
        plugin = fresh_plugin()
        known = {**body, "messages": body["messages"][:-1]}
        first.append(run(plugin, known)[1] / 1e3)
        newest.append(run(plugin, body)[1] / 1e3)
    return min(first), min(newest)
