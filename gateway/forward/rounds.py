"""A stream that may ask for what was left out: each such stream is followed by another one, until one does not. To the
caller all of them are one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from gateway import wire
from gateway.api import Json, UpstreamError
from gateway.call import Call, Exchange
from gateway.cooldown import Cooldowns
from gateway.forward.recalls import Recalls
from gateway.forward.streams import (
    QUIET_SECONDS,
    STILL_THERE,
    Current,
    check_complete,
    metered,
    not_a_stream,
    portions,
    too_slow,
    until_first_chunk,
)
from gateway.recall import Gate
from gateway.upstream import Streamed, Upstreams


class Rounds:
    """`first_token` is seconds until a stream's first real chunk; `ended` is told of each exchange that is over."""

    def __init__(
        self,
        upstreams: Upstreams,
        cooldowns: Cooldowns,
        recalls: Recalls,
        first_token: float,
        ended: Callable[[Call, Exchange], None],
    ) -> None:
        self._upstreams = upstreams
        self._cooldowns = cooldowns
        self._recalls = recalls
        self._first_token = first_token
        self._ended = ended

    async def relay(
        self, call: Call, current: Current, begun: tuple[Json, Gate, list[bytes]], *, apart: bool
    ) -> AsyncGenerator[bytes, None]:
        """The committed stream and those that follow on it, each given as `Forward` gives a single one: up to, and
        without, its `[DONE]`. Raises `UpstreamError` where one of them breaks off, stalls or cannot be had."""
        body, gate, held = begun
        exchange = call.exchanges[-1]
        while True:
            async with aclosing(self._read_round(exchange, current, gate, held)) as batches:
                async for batch in batches:
                    for events in portions(batch, apart=apart):
                        yield events
            followed = await self._recalls.after_stream(call, body, gate)
            if followed is None:
                break
            body = followed.body
            exchange = call.answering = call.go_on(exchange, followed.chars)
            held = gate.pass_on(await self._open_next(call, exchange, body, current))
        for events in portions(gate.rest(), apart=apart):
            yield events

    async def _read_round(
        self, exchange: Exchange, current: Current, gate: Gate, held: list[bytes]
    ) -> AsyncGenerator[list[bytes], None]:
        """What may be shown of one stream, and where that is nothing for long a word that it goes on."""
        meter, clock = exchange.meter, asyncio.get_running_loop().time
        assert meter is not None  # noqa: S101  # its first chunk was metered
        spoke = clock()
        try:
            async with aclosing(current.events) as batches:
                yield held
                async for batch in batches:
                    told = gate.pass_on(metered(batch, meter))
                    if not told and clock() - spoke >= QUIET_SECONDS:
                        told = [STILL_THERE]
                    spoke = clock() if told else spoke
                    yield told
                    if meter.error is not None:
                        raise wire.stream_error(meter.error)  # counted below like any other fault
            check_complete(meter)
        except UpstreamError as error:
            error.deployment = exchange.deployment.name
            self._cooldowns.failed(exchange.deployment, error)
            raise
        self._cooldowns.succeeded(exchange.deployment)

    async def _open_next(self, call: Call, exchange: Exchange, body: Json, current: Current) -> list[bytes]:
        """The stream that follows on one that has begun to reach the caller: it is not tried twice. Gives the events up
        to its first real chunk."""
        left = call.deadline - asyncio.get_running_loop().time()
        patience = min(left, self._first_token)
        try:
            async with asyncio.timeout(max(0.0, patience)):
                got = await self._upstreams.call(
                    exchange.deployment, body, stream=True, timeout=left, request_id=call.id
                )
                if not isinstance(got, Streamed):
                    raise not_a_stream()
                current.events = got.events
                exchange.meter = wire.StreamMeter(wants_usage=wire.wants_usage(call.request.body))
                held = await until_first_chunk(got, exchange.meter)
        except TimeoutError as late:
            raise self._failed(call, exchange, too_slow(patience)) from late
        except UpstreamError as error:
            self._failed(call, exchange, error)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            exchange.abort()
            self._ended(call, exchange)
            raise
        exchange.first_token_at = call.exchanges[-2].first_token_at  # the caller has had its first one
        exchange.succeed()
        self._ended(call, exchange)
        return held

    def _failed(self, call: Call, exchange: Exchange, error: UpstreamError) -> UpstreamError:
        error.deployment = exchange.deployment.name
        exchange.fail(error)
        self._cooldowns.failed(exchange.deployment, error)
        self._ended(call, exchange)
        return error
