"""Processor time: of conversations of three sizes, and of a megabyte of each of several sorts of text."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from statistics import quantiles

from bench.context.optimizers import Optimizer
from bench.context.prompt import layout, tokens_of
from bench.context.traces import Json, Session

SIZES = (1_000, 10_000, 100_000)  # tokens
BODIES, ROUNDS = 6, 3
MEGABYTE = 1_000_000  # characters
BASH = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}


def times(optimizer: Optimizer, sessions: list[Session]) -> dict[int, dict[str, list[float]]]:
    """Milliseconds for conversations of about so many tokens: `first` when the optimizer has seen nothing of them,
    `newest` when it has seen all but the last call with its result. A size the sessions do not fill is left out."""
    exchanges = list(_exchanges(sessions))
    found: dict[int, dict[str, list[float]]] = {}
    for size in SIZES:
        for start in range(BODIES):
            body = _conversation(exchanges, start * 97, size)
            if body is None:
                continue
            known = {**body, "messages": body["messages"][:-2]}
            for _ in range(ROUNDS):
                row = found.setdefault(size, {"first": [], "newest": []})
                row["first"].append(_milliseconds(optimizer, [body]))
                row["newest"].append(_milliseconds(optimizer, [known, body]))
    return found


def large_texts(optimizer: Optimizer) -> dict[str, float]:
    """Seconds for one result of a megabyte."""
    return {name: _milliseconds(optimizer, [_reading(text)]) / 1e3 for name, text in texts(MEGABYTE).items()}


def at(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def texts(size: int) -> dict[str, str]:
    """One text of each sort, of `size` characters."""
    draw = random.Random(5)
    words = ["open", "read", "close", "bind", "retry", "flush", "merge", "split"]
    line = "".join(draw.choices("abcdefghij klmnop.,(){}=", k=size))
    log = (
        f"2031-04-{at % 28 + 1:02} 10:{at % 60:02}:07,{at % 1000:03} INFO [worker-{at % 9}] {draw.choice(words)} "
        f"segment {draw.getrandbits(40):x} in {at % 731} ms\n"
        for at in range(size // 60)
    )
    rows = [
        {"id": at, "state": draw.choice(words), "sum": draw.random(), "tags": words[: at % 4]}
        for at in range(size // 60)
    ]
    binary = draw.randbytes(size).decode("latin-1")
    progress = "".join(f"\x1b[2K\r{at % 100}% [{'#' * (at % 40):<40}]" for at in range(size // 48))
    found = {
        "single line": line,
        "log": "".join(log),
        "JSON": json.dumps(rows, indent=2),
        "binary-like": binary,
        "one character": "=" * size,
        "short lines": "}\n" * (size // 2),
        "progress": progress,
        "half surrogates": "\ud83d x\n" * (size // 4),
    }
    return {name: text[:size] for name, text in found.items()}


def _milliseconds(optimizer: Optimizer, bodies: list[Json]) -> float:
    """What the last of these requests takes one that has seen those before it."""
    fresh = optimizer.fresh()
    if fresh is None:
        raise ValueError("processor time is measured in this process alone")
    sent = [fresh.send("speed", body, len(bodies[0]["messages"])) for body in bodies]
    return 1e3 * (sent[-1].seconds or 0.0)


def _exchanges(sessions: list[Session]) -> Iterator[tuple[Json, Json]]:
    """A call and its result, of all sessions by turns of the file."""
    for session in sessions:
        call = None
        for message in session.body["messages"]:
            if len(message.get("tool_calls") or ()) == 1:
                call = message
            elif message["role"] == "tool" and call is not None:
                yield call, message
                call = None


def _conversation(exchanges: list[tuple[Json, Json]], start: int, size: int) -> Json | None:
    """A conversation of about `size` tokens: exchanges in their order from one on, under ids of their own."""
    messages: list[Json] = [
        {"role": "system", "content": "You are a careful agent."},
        {"role": "user", "content": "Find the cause and mend it."},
    ]
    left = size
    for step in range(len(exchanges)):
        call, result = exchanges[(start + step) % len(exchanges)]
        id = f"c{step}"
        pair = [
            {**call, "tool_calls": [{**call["tool_calls"][0], "id": id}]},
            {**result, "tool_call_id": id},
        ]
        tokens = sum(len(tokens_of(layout(message))) for message in pair)
        if tokens <= left * 1.1:
            messages += pair
            left -= tokens
        if left < size * 0.05:
            return {"model": "any", "messages": messages, "tools": [BASH]}
    return None


def _reading(text: str) -> Json:
    call = {"id": "c0", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    return {
        "model": "any",
        "tools": [BASH],
        "messages": [
            {"role": "user", "content": "Read it."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c0", "content": text},
        ],
    }
