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
from functools import partial

from gateway import wire
from gateway.api import Answer, AttemptEnded, Deployment, Event, Json, TierUpgraded, UpstreamError
from gateway.call import Call, Closable, Exchange, Reply
from gateway.cast import Cast
from gateway.cooldown import Cooldowns
from gateway.forward.recalls import Followed, Recalls
from gateway.forward.rounds import Rounds
from gateway.forward.streams import (
    Current,
    check_complete,
    deadline_passed,
    metered,
    portions,
    too_slow,
    until_first_chunk,
    until_shown,
)
from gateway.recall import Gate
from gateway.upstream import Streamed, Upstreams, Whole

_TRIES_PER_DEPLOYMENT = 2
_BACKOFF = 0.25  # seconds before the first retry, doubled for each further one
_LONGEST_WAIT = 10.0  # seconds; a longer Retry-After sends the call elsewhere


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
        recalls: Recalls,
        *,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._cast = cast
        self._cooldowns = cooldowns
        self._rules = rules
        self._recalls = recalls
        self._rounds = Rounds(upstreams, cooldowns, recalls, rules.first_token, self._tell_end)
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
            if call.attempts >= self._rules.max_attempts:
                break
            why = call.answering.rejected
            escalations += 1
            rungs = [higher for higher in rungs if higher.tier.rank > deployment.tier.rank]
        return error

    async def _ask(self, call: Call, deployment: Deployment, *, more: bool) -> Reply:
        """One deployment, asked again once where that may heal, and asked on where it wants what was left out. Raises
        its last `UpstreamError`."""
        body, tried = call.body_for(deployment), 1
        exchange = call.begin(deployment)
        while True:
            try:
                got = await self._exchange(call, exchange, body, more=more)
            except UpstreamError as error:
                error.deployment = deployment.name
                exchange.fail(error)
                self._cooldowns.failed(deployment, error)
                wait = self._wait_before_retry(error, tried, call, more=more)
                self._tell_end(call, exchange, will_retry=wait is not None or (more and self._goes_on(call, error)))
                if wait is None:
                    raise
                await asyncio.sleep(wait)
                tried += 1
                exchange = call.repeat(exchange)
                continue
            except asyncio.CancelledError:
                exchange.abort()
                self._tell_end(call, exchange, will_retry=False)
                raise
            if isinstance(got, Reply):
                self._verify(call, exchange)
                self._tell_end(call, exchange, will_retry=exchange.rejected is not None and more)
                return got
            self._tell_end(call, exchange, will_retry=False)
            body, tried = got.body, 1
            exchange = call.go_on(exchange, got.chars)

    async def _exchange(self, call: Call, exchange: Exchange, body: Json, *, more: bool) -> Reply | Followed:
        """One upstream call up to its commit: a whole answer, or a stream's first real chunk. Where the answer wants
        what was left out, and nothing has gone to the caller, the body that asks on."""
        stream = call.request.stream
        left = call.deadline - asyncio.get_running_loop().time()
        # A hung upstream must leave time for the next one to give a whole answer.
        patience = min(left, self._rules.first_token) if stream else left / 2 if more else left
        if patience <= 0:
            raise deadline_passed(call)
        gate = Gate(body) if stream and call.offers_recall else None
        held: list[bytes] = []
        try:
            async with asyncio.timeout(patience) as timer:
                got = await self._upstreams.call(
                    exchange.deployment, body, stream=stream, timeout=left, request_id=call.id
                )
                if isinstance(got, Streamed):
                    exchange.meter = wire.StreamMeter(wants_usage=wire.wants_usage(call.request.body))
                    if gate is None:
                        held = await until_first_chunk(got, exchange.meter)
                    else:
                        held = await until_shown(got, exchange.meter, gate, partial(timer.reschedule, call.deadline))
                else:
                    exchange.read = wire.read_answer(got.body)
        except TimeoutError as error:
            of_the_call = patience == left or timer.when() == call.deadline
            raise (deadline_passed(call) if of_the_call else too_slow(patience)) from error
        exchange.first_token_at = time.monotonic()
        exchange.succeed()
        if not isinstance(got, Streamed):
            self._cooldowns.succeeded(exchange.deployment)
            return await self._whole(call, exchange, body, got)
        if gate is None:
            return self._replied(call, partial(self._relay, exchange, got, held), got.events)
        if gate.ended:
            followed = await self._recalls.after_stream(call, body, gate)
            if followed is not None:
                self._cooldowns.succeeded(exchange.deployment)
                return followed
        current = Current(got.events)
        return self._replied(call, partial(self._rounds.relay, call, current, (body, gate, held)), current)

    def _replied(self, call: Call, relay: Callable[..., AsyncGenerator[bytes, None]], upstream: Closable) -> Reply:
        if not self._cast.filters:
            return Reply(events=relay(apart=False), upstream=upstream)
        return Reply(events=self._cast.filter(relay(apart=True), call), upstream=upstream)

    async def _whole(self, call: Call, exchange: Exchange, body: Json, got: Whole) -> Reply | Followed:
        if not call.offers_recall or exchange.read is None:
            return Reply(body=got.body)
        after = await self._recalls.after_whole(call, body, exchange.read)
        if isinstance(after, Followed):
            return after
        if after is exchange.read:
            return Reply(body=got.body)
        exchange.read = after
        return Reply(body=wire.dumps(after.body))

    def _goes_on(self, call: Call, error: UpstreamError) -> bool:
        """Whether another deployment may be asked after this error."""
        return (error.elsewhere or error.retryable) and call.attempts < self._rules.max_attempts

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
                for events in portions(held, apart=apart):
                    yield events
                async for batch in batches:
                    for events in portions(metered(batch, meter), apart=apart):
                        yield events
                    if meter.error is not None:
                        raise wire.stream_error(meter.error)  # counted below like any other fault
            check_complete(meter)
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
        if not error.retryable or tried >= _TRIES_PER_DEPLOYMENT or call.attempts >= self._rules.max_attempts:
            return None
        told = error.retry_after or 0.0
        if more and (told or error.status == 429 or error.fault in ("connect", "timeout")):
            return None  # another deployment can serve now: waiting for this one helps nobody
        backoff = _BACKOFF * 2 ** (tried - 1) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
        wait = max(backoff, told)
        left = call.deadline - asyncio.get_running_loop().time()
        return wait if wait <= min(_LONGEST_WAIT, left) else None

    def _tell_end(self, call: Call, exchange: Exchange, *, will_retry: bool = False) -> None:
        attempt = exchange.as_attempt(exchange.usage, cost_usd=None)
        self._publish(AttemptEnded(at=self._clock(), id=call.id, attempt=attempt, will_retry=will_retry))

    def _tell_upgrade(self, call: Call, asked_next: Deployment, why: str) -> None:
        if call.exchanges and asked_next.tier.rank > call.exchanges[-1].deployment.tier.rank:
            self._publish(TierUpgraded(at=self._clock(), id=call.id, reason=why[:200]))
