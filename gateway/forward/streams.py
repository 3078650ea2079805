"""An upstream's stream on its way to the caller: up to the commit, and behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from gateway import wire
from gateway.api import UpstreamError
from gateway.call import Call
from gateway.recall import Gate
from gateway.upstream import Streamed

_HELD_EVENTS = 64  # events before the first real chunk that are held back at most
QUIET_SECONDS = 10.0
"""How long calls of tools are held back without a word to the caller: proxies close what is silent for a minute."""
STILL_THERE = b": still there\n\n"


@dataclass(slots=True)
class Current:
    """The upstream stream that is read now, of several one after another."""

    events: AsyncGenerator[list[bytes], None]

    async def aclose(self) -> None:
        await self.events.aclose()


def deadline_passed(call: Call) -> UpstreamError:
    """The error of a call that took all of its time."""
    return UpstreamError(
        f"No complete answer within {time.monotonic() - call.began:.0f} seconds, the request's deadline.",
        fault="timeout",
        code="deadline_exceeded",
        retryable=False,
        elsewhere=False,
    )


async def until_first_chunk(got: Streamed, meter: wire.StreamMeter) -> list[bytes]:
    """The events up to and with those that brought the first of the answer. Raises `UpstreamError`; whatever is
    raised, the upstream call is not left open."""
    held: list[bytes] = []
    try:
        async for batch in got.events:
            held += metered(batch, meter)
            if meter.error is not None:
                raise wire.stream_error(meter.error)  # noqa: TRY301  # closes the stream below like any other fault
            if meter.first_token or meter.finish_reason or meter.done or len(held) >= _HELD_EVENTS:
                return held
    except BaseException:
        await got.events.aclose()
        raise
    raise UpstreamError(
        "The upstream's stream ended before its first chunk.", fault="protocol", retryable=True, elsewhere=True
    )


async def until_shown(got: Streamed, meter: wire.StreamMeter, gate: Gate, begun: Callable[[], None]) -> list[bytes]:
    """As `until_first_chunk`, up to the first that may be shown; to the end, and `gate` says so, where there is none
    but calls of tools. Those are not waited for without a word for ever. `begun` is called at the first real chunk."""
    loop = asyncio.get_running_loop()
    held: list[bytes] = []
    since: float | None = None
    try:
        async for batch in got.events:
            speaks = False
            for event in batch:
                held += gate.pass_on(metered([event], meter))
                if meter.error is not None:
                    raise wire.stream_error(meter.error)  # noqa: TRY301  # closes the stream below like any other fault
                speaks = speaks or (not gate.holding and bool(meter.first_token or meter.finish_reason or meter.done))
            if speaks or len(held) >= _HELD_EVENTS:
                return held
            if since is None and meter.first_token:
                since = loop.time()
                begun()
            if since is not None and loop.time() - since >= QUIET_SECONDS:
                return held
        check_complete(meter)
    except BaseException:
        await got.events.aclose()
        raise
    gate.ended = True
    return held


def metered(batch: list[bytes], meter: wire.StreamMeter) -> list[bytes]:
    """What is to be relayed of a batch, up to an event that is an error."""
    relayed: list[bytes] = []
    for event in batch:
        shown = meter.observe(event)
        if meter.error is not None:
            break
        if shown is not None:
            relayed.append(shown)
    return relayed


def portions(events: list[bytes], *, apart: bool) -> list[bytes]:
    return events if apart or len(events) < 2 else [b"".join(events)]


def check_complete(meter: wire.StreamMeter) -> None:
    if not (meter.done or meter.finish_reason):
        raise UpstreamError(
            "The upstream broke off in the middle of its answer.", fault="reset", retryable=True, elsewhere=True
        )


def not_a_stream() -> UpstreamError:
    return UpstreamError(
        "The upstream answered a stream with a whole answer.", fault="protocol", retryable=True, elsewhere=True
    )


def too_slow(seconds: float) -> UpstreamError:
    return UpstreamError(
        f"it gave nothing of its answer within {seconds:g} seconds",
        fault="timeout",
        retryable=True,
        elsewhere=True,
    )
