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
from gateway.api import (
    Answer,
    Attempt,
    AttemptEnded,
    Deployment,
    Event,
    TierUpgraded,
    UpstreamError,
    Usage,
)
from gateway.call import Call, Reply
from gateway.cast import Cast
from gateway.cooldown import Cooldowns
from gateway.money import read_usage
from gateway.upstream import Streamed, Upstreams, Whole

_TRIES_PER_DEPLOYMENT = 2
_BACKOFF = 0.25  # seconds before the first retry, doubled for each further one
_LONGEST_WAIT = 10.0  # seconds; a longer Retry-After sends the call elsewhere
_HELD_EVENTS = 64  # events before the first real chunk that are held back at most


@dataclass(frozen=True, slots=True)
class ForwardRules:
    """`max_attempts` upstream calls at most per request; `max_escalations` of them because an answer did not do."""

    max_attempts: int
    max_escalations: int


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer and how it came about; `rejected` says why a verifier did not take it."""

    reply: Reply
    rejected: str | None
    deployment: Deployment
    usage: Usage | None
    finish_reason: str | None
    attempt: int

    def restore(self, call: Call) -> None:
        """Make this the call's answer again, after later attempts brought none."""
        call.serving, call.usage, call.finish_reason = self.deployment, self.usage, self.finish_reason
        call.answering = self.attempt


class Forward:
    """Sends calls to upstreams as their plans say. `estimate` says what an attempt used that the upstream did not
    report on."""

    def __init__(
        self,
        upstreams: Upstreams,
        cast: Cast,
        cooldowns: Cooldowns,
        rules: ForwardRules,
        *,
        estimate: Callable[[Call], Usage],
        publish: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._cast = cast
        self._cooldowns = cooldowns
        self._rules = rules
        self._estimate = estimate
        self._publish = publish
        self._clock = clock

    async def run(self, call: Call) -> Reply:
        """The answer of the first deployment that gives one.

        Raises the last `UpstreamError` when none does, and `UpstreamError(fault="timeout")` when the call's deadline
        passes first.
        """
        try:
            async with asyncio.timeout_at(call.deadline):
                return await self._run(call)
        except TimeoutError as error:
            raise _deadline_passed(call) from error

    async def _run(self, call: Call) -> Reply:
        assert call.plan is not None  # noqa: S101  # the pipeline routes before it forwards
        rungs = list(call.plan.deployments)
        doubtful: _Answered | None = None
        error = UpstreamError("No deployment was left to try.", fault="connect", retryable=True, elsewhere=False)
        escalations = 0
        while rungs and len(call.attempts) < self._rules.max_attempts:
            deployment = rungs.pop(0)
            try:
                answered = await self._ask(call, deployment, more=bool(rungs))
            except UpstreamError as failed:
                error = failed
                if not (failed.elsewhere or failed.retryable):
                    break
                self._tell_upgrade(call, deployment, rungs, failed.message)
                continue
            if answered.rejected is None:
                return answered.reply
            doubtful = answered
            rungs = [d for d in rungs if d.tier.rank > deployment.tier.rank]
            escalations += 1
            if escalations > self._rules.max_escalations:
                break
            self._tell_upgrade(call, deployment, rungs, answered.rejected)
        if doubtful is None:
            raise error
        doubtful.restore(call)  # nothing better is to be had: a doubtful answer beats none
        return doubtful.reply

    async def _ask(self, call: Call, deployment: Deployment, *, more: bool) -> _Answered:
        """One deployment, asked again once where that may heal. Raises its last `UpstreamError`."""
        for tried in range(1, _TRIES_PER_DEPLOYMENT + 1):
            began = time.monotonic()
            try:
                reply, answer = await self._attempt(call, deployment)
            except UpstreamError as error:
                error.deployment = deployment.name
                self._cooldowns.failed(deployment, error)
                wait = self._wait_before_retry(error, tried, call, more=more)
                usage = None if error.fault in ("connect", "status") else self._estimate(call)
                self._end_attempt(call, deployment, began, result=error.code or error.fault, status=error.status,
                                  usage=usage, will_retry=wait is not None or more)  # fmt: skip
                if wait is None:
                    raise
                await asyncio.sleep(wait)
                continue
            except asyncio.CancelledError:  # the caller left, or the deadline passed, while the upstream worked
                self._end_attempt(call, deployment, began, result="aborted", status=None,
                                  usage=self._estimate(call), will_retry=False)  # fmt: skip
                raise
            self._cooldowns.succeeded(deployment)
            rejected = self._rejection(call, answer) if answer is not None else None
            usage = None if answer is None else call.usage or self._estimate(call)  # a stream's is known at its end
            call.answering = len(call.attempts)
            self._end_attempt(call, deployment, began, result="rejected" if rejected else "ok", status=200,
                              usage=usage, will_retry=False)  # fmt: skip
            return _Answered(reply, rejected, deployment, usage, call.finish_reason, call.answering)
        raise AssertionError("unreachable: the last try returns or raises")

    def _rejection(self, call: Call, answer: Answer) -> str | None:
        """Why a verifier does not take an answer; `None` when all do."""
        verdict = self._cast.verify(call.request, answer)
        return None if verdict.good else verdict.reason or "rejected"

    async def _attempt(self, call: Call, deployment: Deployment) -> tuple[Reply, Answer | None]:
        call.serving = deployment
        call.usage = None
        call.finish_reason = None
        left = call.deadline - asyncio.get_running_loop().time()
        if call.sent_at is None:
            call.sent_at = time.monotonic()
        got = await self._upstreams.call(
            deployment, call.body_for_upstream(), stream=call.request.stream, timeout=left, request_id=call.id
        )
        if isinstance(got, Streamed):
            return await self._first_chunk(call, got), None
        return self._whole(call, got, deployment)

    def _whole(self, call: Call, got: Whole, deployment: Deployment) -> tuple[Reply, Answer | None]:
        call.first_token_at = time.monotonic()
        read = wire.read_answer(got.body)
        call.usage = read_usage(read.usage)
        call.service_tier = read.service_tier
        call.finish_reason = read.finish_reason
        call.output_chars = len(read.text) + sum(len(c.name) + len(c.arguments) for c in read.tool_calls)
        answer = Answer(
            body=read.body,
            text=read.text,
            tool_calls=read.tool_calls,
            finish_reason=read.finish_reason,
            usage=call.usage,
            deployment=deployment.name,
        )
        return Reply(body=got.body), answer

    async def _first_chunk(self, call: Call, got: Streamed) -> Reply:
        """Hold a stream back until its first real chunk, so that a fault before it can still be healed elsewhere."""
        meter = wire.StreamMeter(wants_usage=wire.wants_usage(call.request.body))
        try:
            held = await _until_first_chunk(got.events, meter)
        except BaseException:  # whatever it was, cancellation included: the upstream call must not be left open
            await got.events.aclose()
            raise
        call.first_token_at = time.monotonic()
        events = self._relay(call, got, meter, held)
        return Reply(
            events=self._cast.filter(events, call) if self._cast.filters else events,
            upstream=got.events,
        )

    async def _relay(
        self, call: Call, got: Streamed, meter: wire.StreamMeter, held: list[bytes]
    ) -> AsyncGenerator[bytes, None]:
        """The committed stream up to, and without, its `[DONE]`, which the server writes once the call is on record.

        Raises `UpstreamError` where the stream breaks off, stalls or passes the deadline.
        """
        try:
            async with aclosing(got.events) as events:
                for event in held:
                    yield event
                while True:
                    async with asyncio.timeout_at(call.deadline):
                        next_event = await anext(events, None)
                    if next_event is None:
                        break
                    relayed = meter.observe(next_event)
                    _raise_error_in(meter)
                    if relayed is not None:
                        yield relayed
            _check_complete(meter)
        except UpstreamError as error:
            error.deployment = call.serving.name if call.serving else None
            raise
        except TimeoutError as error:
            raise _deadline_passed(call) from error
        finally:
            call.usage = read_usage(meter.usage)
            call.service_tier = meter.service_tier
            call.finish_reason = meter.finish_reason
            call.output_chars = meter.characters

    def _wait_before_retry(self, error: UpstreamError, tried: int, call: Call, *, more: bool) -> float | None:
        """Seconds to wait before the same deployment is asked again; `None`: do not ask it again."""
        attempts = len(call.attempts) + 1
        if not error.retryable or tried >= _TRIES_PER_DEPLOYMENT or attempts >= self._rules.max_attempts:
            return None
        if more and (error.status == 429 or error.fault == "connect"):  # Too Many Requests
            return None  # another deployment can serve now: waiting for this one helps nobody
        backoff = _BACKOFF * 2 ** (tried - 1) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
        wait = max(backoff, error.retry_after or 0.0)
        left = call.deadline - asyncio.get_running_loop().time()
        return wait if wait <= min(_LONGEST_WAIT, left) else None

    def _end_attempt(
        self,
        call: Call,
        deployment: Deployment,
        began: float,
        *,
        result: str,
        status: int | None,
        usage: Usage | None,
        will_retry: bool,
    ) -> None:
        attempt = Attempt(
            deployment=deployment.name,
            tier=deployment.tier,
            result=result,
            seconds=time.monotonic() - began,
            status=status,
            usage=usage,
            retry=any(a.deployment == deployment.name for a in call.attempts),
        )
        call.attempts.append(attempt)
        self._publish(AttemptEnded(at=self._clock(), id=call.id, attempt=attempt, will_retry=will_retry))

    def _tell_upgrade(self, call: Call, left: Deployment, rungs: list[Deployment], reason: str) -> None:
        if rungs and rungs[0].tier.rank > left.tier.rank:
            self._publish(TierUpgraded(at=self._clock(), id=call.id, reason=reason[:200]))


async def _until_first_chunk(events: AsyncGenerator[bytes, None], meter: wire.StreamMeter) -> list[bytes]:
    """The events up to and with the first that carries something of the answer. Raises `UpstreamError`."""
    held: list[bytes] = []
    async for event in events:
        relayed = meter.observe(event)
        _raise_error_in(meter)
        if relayed is not None:
            held.append(relayed)
        if meter.first_token or meter.finish_reason or meter.done or len(held) >= _HELD_EVENTS:
            return held
    raise UpstreamError(
        "The upstream's stream ended before its first chunk.", fault="protocol", retryable=True, elsewhere=True
    )


def _check_complete(meter: wire.StreamMeter) -> None:
    if not (meter.done or meter.finish_reason):
        raise UpstreamError(
            "The upstream broke off in the middle of its answer.", fault="reset", retryable=False, elsewhere=False
        )


def _raise_error_in(meter: wire.StreamMeter) -> None:
    if meter.error is not None:
        raise wire.stream_error(meter.error)


def _deadline_passed(call: Call) -> UpstreamError:
    seconds = call.deadline - call.began
    return UpstreamError(
        f"No complete answer within the deadline of {seconds:g} seconds.",
        fault="timeout",
        code="deadline_exceeded",
        retryable=False,
        elsewhere=False,
    )
