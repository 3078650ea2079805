"""From a plan to an answer: attempts, retries, fallbacks, verification, and the commit.

The commit rule: retry, fallback and escalation happen only before the first byte goes to the caller. A stream counts
as begun with its first real chunk, so what comes before it (a role, an empty delta) is held back until then. After
the commit a fault is raised out of the events, and the caller sees an error event.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from gateway import wire
from gateway.api import Answer, AttemptEnded, Deployment, Event, TierUpgraded, UpstreamError
from gateway.call import Call, Exchange, Reply
from gateway.cast import Cast
from gateway.cooldown import Cooldowns
from gateway.upstream import Streamed, Upstreams

_TRIES_PER_DEPLOYMENT = 2
_BACKOFF = 0.25  # seconds before the first retry, doubled for each further one
_LONGEST_WAIT = 10.0  # seconds; a longer Retry-After sends the call elsewhere
_HELD_EVENTS = 64  # events before the first real chunk that are held back at most


@dataclass(frozen=True, slots=True)
class ForwardRules:
    """`max_attempts` upstream calls at most per request; `max_escalations` of them because an answer did not do;
    `first_token` seconds until a stream's first real chunk."""

    max_attempts: int
    max_escalations: int
    first_token: float


class Forward:
    """Sends calls to upstreams as their plans say."""

    def __init__(
        self,
        upstreams: Upstreams,
        cast: Cast,
        cooldowns: Cooldowns,
        rules: ForwardRules,
        *,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._cast = cast
        self._cooldowns = cooldowns
        self._rules = rules
        self._publish = publish
        self._clock = clock

    async def run(self, call: Call) -> Reply:
        """The answer of the first deployment that gives a good one, or else a doubtful one.

        Raises the last `UpstreamError` when there is none; `deadline_exceeded` when that was the call's deadline, which
        bounds every exchange and every wait between two.
        """
        error = await self._climb(call)
        if call.reply is not None:
            return call.reply
        raise error or UpstreamError("No deployment was tried.", fault="connect", retryable=True, elsewhere=False)

    async def _climb(self, call: Call) -> UpstreamError | None:
        """Try the plan's deployments in order until one gives a good answer. A doubtful one is kept while a higher
        tier is asked; what ended the climb without an answer is returned."""
        assert call.plan is not None  # noqa: S101  # the pipeline routes before it forwards
        rungs = list(call.plan.deployments)
        escalations = 0
        why, error = "", None
        while rungs:
            deployment = rungs.pop(0)
            self._tell_upgrade(call, deployment, why)
            try:
                reply = await self._ask(call, deployment, more=bool(rungs))
            except UpstreamError as failed:
                why, error = failed.message, failed
                if not self._goes_on(call, failed):
                    break
                continue
            call.reply, call.answering = reply, call.exchanges[-1]
            if call.answering.rejected is None or escalations == self._rules.max_escalations:
                break
            if len(call.exchanges) >= self._rules.max_attempts:
                break
            why = call.answering.rejected
            escalations += 1
            rungs = [higher for higher in rungs if higher.tier.rank > deployment.tier.rank]
        return error

    async def _ask(self, call: Call, deployment: Deployment, *, more: bool) -> Reply:
        """One deployment, asked again once where that may heal. Raises its last `UpstreamError`."""
        for tried in range(1, _TRIES_PER_DEPLOYMENT + 1):
            exchange = call.begin(deployment)
            try:
                reply = await self._exchange(call, exchange, more=more)
            except UpstreamError as error:
                error.deployment = deployment.name
                exchange.fail(error)
                self._cooldowns.failed(deployment, error)
                wait = self._wait_before_retry(error, tried, call, more=more)
                self._tell_end(call, exchange, will_retry=wait is not None or (more and self._goes_on(call, error)))
                if wait is None:
                    raise
                await asyncio.sleep(wait)
                continue
            except asyncio.CancelledError:
                exchange.abort()
                self._tell_end(call, exchange, will_retry=False)
                raise
            self._verify(call, exchange)
            self._tell_end(call, exchange, will_retry=exchange.rejected is not None and more)
            return reply
        raise AssertionError("unreachable: the last try returns or raises")

    async def _exchange(self, call: Call, exchange: Exchange, *, more: bool) -> Reply:
        """One upstream call up to its commit: a whole answer, or a stream's first real chunk."""
        stream = call.request.stream
        left = call.deadline - asyncio.get_running_loop().time()
        # A hung upstream must leave time for the next one to give a whole answer.
        patience = min(left, self._rules.first_token) if stream else left / 2 if more else left
        if patience <= 0:
            raise deadline_passed(call)
        try:
            async with asyncio.timeout(patience):
                got = await self._upstreams.call(
                    exchange.deployment, call.body_for_upstream, stream=stream, timeout=left, request_id=call.id
                )
                if isinstance(got, Streamed):
                    exchange.meter = wire.StreamMeter(wants_usage=wire.wants_usage(call.request.body))
                    held = await _until_first_chunk(got, exchange.meter)
                else:
                    exchange.read = wire.read_answer(got.body)
        except TimeoutError as error:
            raise (deadline_passed(call) if patience == left else _too_slow(patience)) from error
        exchange.first_token_at = time.monotonic()
        exchange.succeed()
        if not isinstance(got, Streamed):
            self._cooldowns.succeeded(exchange.deployment)
            return Reply(body=got.body)
        if not self._cast.filters:
            return Reply(events=self._relay(exchange, got, held, apart=False), upstream=got.events)
        events = self._relay(exchange, got, held, apart=True)
        return Reply(events=self._cast.filter(events, call), upstream=got.events)

    def _goes_on(self, call: Call, error: UpstreamError) -> bool:
        """Whether another deployment may be asked after this error."""
        return (error.elsewhere or error.retryable) and len(call.exchanges) < self._rules.max_attempts

    async def _relay(
        self, exchange: Exchange, got: Streamed, held: list[bytes], *, apart: bool
    ) -> AsyncGenerator[bytes, None]:
        """The committed stream up to, and without, its `[DONE]`, which the server writes once the call is on record.
        Events that came together are given together, or one by one where they are wanted `apart`.

        Raises `UpstreamError` where the stream breaks off or stalls.
        """
        meter = exchange.meter
        assert meter is not None  # noqa: S101  # its first chunk was metered
        try:
            async with aclosing(got.events) as batches:
                for events in _portions(held, apart=apart):
                    yield events
                async for batch in batches:
                    for events in _portions(_metered(batch, meter), apart=apart):
                        yield events
                    if meter.error is not None:
                        raise wire.stream_error(meter.error)  # counted below like any other fault
            _check_complete(meter)
        except UpstreamError as error:
            error.deployment = exchange.deployment.name
            self._cooldowns.failed(exchange.deployment, error)
            raise
        self._cooldowns.succeeded(exchange.deployment)

    def _verify(self, call: Call, exchange: Exchange) -> None:
        """Let the verifiers judge a whole answer. A stream is committed before it is whole."""
        read = exchange.read
        if read is None or not self._cast.verifiers:
            return
        answer = Answer(
            body=read.body,
            text=read.text,
            tool_calls=read.tool_calls,
            finish_reason=read.finish_reason,
            usage=exchange.usage,
            deployment=exchange.deployment.name,
        )
        verdict = self._cast.verify(call.request, answer)
        if not verdict.good:
            exchange.reject(verdict.reason or "rejected")

    def _wait_before_retry(self, error: UpstreamError, tried: int, call: Call, *, more: bool) -> float | None:
        """Seconds to wait before the same deployment is asked again; `None`: do not ask it again."""
        if not error.retryable or tried >= _TRIES_PER_DEPLOYMENT or len(call.exchanges) >= self._rules.max_attempts:
            return None
        told = error.retry_after or 0.0
        if more and (told or error.status == 429 or error.fault in ("connect", "timeout")):
            return None  # another deployment can serve now: waiting for this one helps nobody
        backoff = _BACKOFF * 2 ** (tried - 1) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
        wait = max(backoff, told)
        left = call.deadline - asyncio.get_running_loop().time()
        return wait if wait <= min(_LONGEST_WAIT, left) else None

    def _tell_end(self, call: Call, exchange: Exchange, *, will_retry: bool) -> None:
        attempt = exchange.as_attempt(exchange.usage, cost_usd=None)
        self._publish(AttemptEnded(at=self._clock(), id=call.id, attempt=attempt, will_retry=will_retry))

    def _tell_upgrade(self, call: Call, asked_next: Deployment, why: str) -> None:
        if call.exchanges and asked_next.tier.rank > call.exchanges[-1].deployment.tier.rank:
            self._publish(TierUpgraded(at=self._clock(), id=call.id, reason=why[:200]))


def deadline_passed(call: Call) -> UpstreamError:
    """The error of a call that took all of its time."""
    return UpstreamError(
        f"No complete answer within {time.monotonic() - call.began:.0f} seconds, the request's deadline.",
        fault="timeout",
        code="deadline_exceeded",
        retryable=False,
        elsewhere=False,
    )


async def _until_first_chunk(got: Streamed, meter: wire.StreamMeter) -> list[bytes]:
    """The events up to and with those that brought the first of the answer. Raises `UpstreamError`; whatever is
    raised, the upstream call is not left open."""
    held: list[bytes] = []
    try:
        async for batch in got.events:
            held += _metered(batch, meter)
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


def _metered(batch: list[bytes], meter: wire.StreamMeter) -> list[bytes]:
    """What is to be relayed of a batch, up to an event that is an error."""
    relayed: list[bytes] = []
    for event in batch:
        shown = meter.observe(event)
        if meter.error is not None:
            break
        if shown is not None:
            relayed.append(shown)
    return relayed


def _portions(events: list[bytes], *, apart: bool) -> list[bytes]:
    return events if apart or len(events) < 2 else [b"".join(events)]


def _check_complete(meter: wire.StreamMeter) -> None:
    if not (meter.done or meter.finish_reason):
        raise UpstreamError(
            "The upstream broke off in the middle of its answer.", fault="reset", retryable=True, elsewhere=True
        )


def _too_slow(seconds: float) -> UpstreamError:
    return UpstreamError(
        f"it gave nothing of its answer within {seconds:g} seconds",
        fault="timeout",
        retryable=True,
        elsewhere=True,
    )
