"""CPU of a call and of a streamed event in each lane, beside bare HTTP clients and `litellm.acompletion` by hand.

`python -m bench.lanes` alternates all of them in rounds of one run and prints medians and ratios. The upstream runs in
a process of its own and sends an event a millisecond, so that each is a read of its own, as from a real model.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import orjson
import uvloop

from gateway.api import Deployment, Json, Tier
from gateway.upstream import Streamed, Timeouts, Upstreams, Whole
from gateway.upstream.http import Client, Request, address
from gateway.upstream.scripted import ScriptedUpstream

PIECES = 60
GAP = 0.001
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
BASES = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}

Ask = Callable[[bool], Awaitable[int]]
"""Makes one call, streamed or not, and gives the number of events it saw."""


def agent_body() -> Json:
    """Twenty turns of a coding agent with five tools, about 12 KB."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"{name} in the workspace. " * 8,
                "parameters": {
                    "type": "object",
                    "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
                    "required": ["path"],
                },
            },
        }
        for name in ("read", "write", "search", "run", "list")
    ]
    messages: list[Json] = [{"role": "system", "content": "You are a careful engineer. " * 20}]
    messages.append({"role": "user", "content": "Find out why the test fails and mend it."})
    for turn in range(9):
        call = {"name": "read", "arguments": orjson.dumps({"path": f"src/module_{turn}.py"}).decode()}
        called = [{"id": f"call_{turn}", "type": "function", "function": call}]
        messages.append({"role": "assistant", "content": f"Step {turn}.", "tool_calls": called})
        lines = [f"{line:4d}: value = compute(value, {line * turn})" for line in range(16)]
        messages.append({"role": "tool", "tool_call_id": f"call_{turn}", "content": "\n".join(lines)})
    return {"model": "auto", "messages": messages, "tools": tools, "max_tokens": 500}


def deployment(provider: str, root: str, transport: str) -> Deployment:
    return Deployment(
        name=f"{provider}-{transport}",
        tier=Tier.BASE,
        model=f"{provider}/{MODELS[provider]}",
        provider=provider,
        upstream_model=MODELS[provider],
        api_key="sk-bench",
        api_base=root + BASES[provider],
        transport="sdk" if transport == "sdk" else "auto",
    )


def by_lane(upstreams: Upstreams, target: Deployment, body: Json) -> Ask:
    async def ask(stream: bool) -> int:
        got = await upstreams.call(target, body, stream=stream, timeout=30, request_id="bench")
        if isinstance(got, Whole):
            return 0
        return await _count(got)

    return ask


async def _count(got: Streamed) -> int:
    count = 0
    async for _ in got.events:
        count += 1
    return count


def by_hand(litellm: Any, target: Deployment, body: Json) -> Ask:
    given = {name: value for name, value in body.items() if name != "model"}

    async def ask(stream: bool) -> int:
        more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer = await litellm.acompletion(
            model=target.model,
            api_key=target.api_key,
            api_base=target.api_base,
            max_retries=0,
            timeout=30,
            **copy.deepcopy(given),
            **more,
        )
        if not stream:
            orjson.dumps(answer.model_dump())
            return 0
        count = 0
        async for chunk in answer:
            orjson.dumps(chunk.model_dump())
            count += 1
        return count

    return ask


def by_aiohttp(session: aiohttp.ClientSession, root: str, body: Json) -> Ask:
    async def ask(stream: bool) -> int:
        raw = orjson.dumps({**body, "stream": stream})
        headers = {"content-type": "application/json", "authorization": "Bearer sk-bench"}
        async with session.post(f"{root}/v1/chat/completions", data=raw, headers=headers) as response:
            if not stream:
                await response.read()
                return 0
            count = 0
            async for chunk in response.content.iter_any():
                count += chunk.count(b"\n\n")
            return count

    return ask


def by_own_client(client: Client, root: str, body: Json) -> Ask:
    to = address(f"{root}/v1/chat/completions", {"authorization": "Bearer sk-bench"})

    async def ask(stream: bool) -> int:
        reply = await client.send(Request(to, {}, orjson.dumps({**body, "stream": stream})))
        if not stream:
            await reply.whole()
            return 0
        count = 0
        while piece := await reply.read():
            count += piece.count(b"\n\n")
        return count

    return ask


async def measured(ask: Ask, calls: int, *, stream: bool) -> tuple[float, float]:
    """CPU seconds a call, and events a call, at a concurrency of eight."""
    events = 0
    waiting = iter(range(calls))

    async def work() -> None:
        nonlocal events
        for _ in waiting:
            events += await ask(stream)

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(8)))
    return (time.process_time() - began) / calls, events / calls


async def compare(root: str, rounds: int, calls: int) -> None:
    upstreams = Upstreams()
    await upstreams.start()
    await upstreams.wait_ready()
    import litellm  # noqa: PLC0415  # loaded by now, and only by the room that may

    body = agent_body()
    session = aiohttp.ClientSession()
    client = Client(Timeouts())
    lanes: dict[str, Ask] = {
        "bare aiohttp": by_aiohttp(session, root, body),
        "bare client of ours": by_own_client(client, root, body),
    }
    for provider in MODELS:
        own, sdk = deployment(provider, root, "auto"), deployment(provider, root, "sdk")
        if upstreams.lane(own) == "provider":
            lanes[f"{provider}: provider lane"] = by_lane(upstreams, own, body)
        lanes[f"{provider}: SDK lane"] = by_lane(upstreams, sdk, body)
        lanes[f"{provider}: acompletion"] = by_hand(litellm, sdk, body)
    for ask in lanes.values():
        for stream in (False, True):
            await ask(stream)
    whole: dict[str, list[float]] = {name: [] for name in lanes}
    event: dict[str, list[float]] = {name: [] for name in lanes}
    for _ in range(rounds):
        for name, ask in lanes.items():
            some = calls if "provider" in name or "bare" in name else max(8, calls // 8)
            a_whole, _ = await measured(ask, some, stream=False)
            a_stream, _ = await measured(ask, max(8, some // 8), stream=True)
            whole[name].append(a_whole)
            event[name].append((a_stream - a_whole) / PIECES)
    await session.close()
    await client.close()
    await upstreams.close()
    show(whole, event)


def show(whole: dict[str, list[float]], event: dict[str, list[float]]) -> None:
    columns = "ms a call", "x bare", "/ acompl.", "us an event", "x bare", "/ acompl."
    print("{:26} {:>10} {:>7} {:>10} {:>12} {:>7} {:>10}".format("", *columns))
    bare = "bare aiohttp"
    for name in whole:
        theirs = name.partition(":")[0] + ": acompletion"
        cells = []
        for figures, scale in ((whole, 1e3), (event, 1e6)):
            mine = statistics.median(figures[name])
            to_bare = mine / statistics.median(figures[bare])
            to_theirs = mine / statistics.median(figures[theirs]) if theirs in figures else None
            cells.append((mine * scale, to_bare, "" if to_theirs is None else f"{to_theirs:.3f}"))
        (call, call_bare, call_theirs), (one, one_bare, one_theirs) = cells
        print(f"{name:26} {call:10.3f} {call_bare:7.2f} {call_theirs:>10} {one:12.1f} {one_bare:7.2f} {one_theirs:>10}")


async def serve() -> None:
    """The upstream's process: says its address, and answers every dialect alike until its input ends."""
    async with ScriptedUpstream() as up:
        for _ in range(30_000):
            up.reply(chunks=("word ",) * PIECES, gap=GAP)
        print(up.root, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def upstream() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.lanes", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # both are pipes
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=400)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve())
        return
    with upstream() as root:
        uvloop.run(compare(root, options.rounds, options.calls))


if __name__ == "__main__":
    main()
