"""A request's way through the gateway. Read `run` top to bottom: that is the whole of it.

guards -> optimizers -> scorer -> router -> budget -> forward, and in any case, at the end, `close`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gateway import recall, wire
from gateway.accounts import Accounts
from gateway.api import (
    Caller,
    CallRecord,
    Cancelled,
    ChatRequest,
    Completed,
    Complexity,
    Event,
    Failed,
    Json,
    Outcome,
    Refused,
    RefusedError,
    RequestEnded,
    RequestStarted,
    RoutePlan,
    RouteSelected,
    RouteView,
    Routing,
    Untrimmed,
    UpstreamError,
)
from gateway.cache_hints import NO_HINTS, CacheHints, cache_hints
from gateway.call import Call, Reply
from gateway.cast import Cast
from gateway.cooldown import Cooldowns
from gateway.deployments import Deployments
from gateway.explanation import explanation
from gateway.faithful import faithful_plan
from gateway.forward import Forward
from gateway.money import Budgets
from gateway.session import Sessions
from gateway.state import Stash
from gateway.trimming import Trimming

log = logging.getLogger("thriftgate.pipeline")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of: one configuration's view of the gateway."""

    routing: Routing
    deployments: Deployments
    cast: Cast
    trimming: Trimming
    forward: Forward
    accounts: Accounts
    budgets: Budgets
    sessions: Sessions
    stash: Stash
    recall: recall.Mode
    cooldowns: Cooldowns
    publish: Callable[[Event], None]
    clock: Callable[[], float]
    request_timeout: float
    cache_hints: bool = True


class Pipeline:
    """The fixed order of a request. A call lives inside `call`: whatever happens there, it is closed at the end.

    `open_calls` is how many are inside now.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.open_calls = 0

    async def run(self, call: Call) -> Reply:
        """Answer a call. Raises what the caller shall see: `RefusedError` or `UpstreamError`."""
        self.parts.publish(RequestStarted(at=call.started, id=call.id, caller=call.caller.name, session=call.session))
        await self.parts.cast.check(call.request, call)
        complexity, plan = await self._decide(call)
        if call.untrimmed is not None:
            self.parts.publish(Untrimmed(at=self.parts.clock(), id=call.id, reason=call.untrimmed))
        self.parts.accounts.reserve(call)
        if call.offers_recall and call.stash:
            self.parts.stash.keep(call.caller.name, call.stash)
        self.parts.publish(RouteSelected(at=self.parts.clock(), id=call.id, complexity=complexity, plan=plan))
        return await self.parts.forward.run(call)

    async def _decide(self, call: Call) -> tuple[Complexity, RoutePlan]:
        """Trim, score and route."""
        await self.parts.trimming.trim(call)
        call.complexity = complexity = self.parts.cast.score(call.request)
        call.plan = self._route(call, complexity)
        await self.parts.trimming.settle(call)
        return complexity, call.plan

    @asynccontextmanager
    async def call(self, id: str, request: ChatRequest, caller: Caller) -> AsyncGenerator[Call, None]:
        """A call's life: opened here, and closed here with the outcome that its end shows, unless it was closed
        before. Raises `BadRequest` where nobody knows the model asked for."""
        call = await self._open(id, request, caller)
        self.open_calls += 1
        try:
            yield call
        except BaseException as error:
            await self.close(call, outcome_of(error, call))
            raise
        else:
            await self.close(call, completed(call))
        finally:
            self.open_calls -= 1

    async def explain(self, id: str, request: ChatRequest, caller: Caller) -> Json:
        """What would be decided for a request. Nobody is called, nothing is reserved or recorded."""
        call = await self._open(id, request, caller)
        await self._decide(call)
        return explanation(call)

    async def close(self, call: Call, outcome: Outcome) -> None:
        """Put a call on record and give back what it reserved: once, and to the end even where the caller left.

        Raises `Unavailable` where the ledger cannot take the record.
        """
        if call.outcome is None:
            call.outcome = outcome
            await _to_the_end(self._close(call))

    async def _close(self, call: Call) -> None:
        try:
            if call.reply is not None:
                await call.reply.close()
        except Exception:  # isolation: a plugin's stream filter may still be at work in there
            log.exception("the stream of request %s could not be closed", call.id)
        await self.parts.accounts.close(call)

    def refused(self, id: str, caller: Caller | None, error: RefusedError) -> None:
        """Tell the listeners of a request that was refused before it became a call. It cost nothing and is not put on
        the ledger, which a stranger without a key could otherwise fill."""
        record = CallRecord(
            id=id,
            started=self.parts.clock(),
            duration=0.0,
            outcome=Refused(status=error.status, code=error.code, message=error.message),
            caller=caller.name if caller is not None else "unknown",
            session="",
            client="",
            dialect="chat",
            stream=False,
            asked="",
        )
        self.parts.publish(RequestEnded(at=record.started, record=record))

    async def _open(self, id: str, request: ChatRequest, caller: Caller) -> Call:
        now = self.parts.clock()
        asked = self.parts.deployments.resolve(request.model)
        session = wire.session_key(request, caller)
        conversation = wire.conversation_key(request, session)
        memory = await self.parts.sessions.get(conversation)
        return Call(
            id=id,
            request=request,
            caller=caller,
            session=session,
            conversation=conversation,
            memory=memory,
            warmth=memory.warmth(now),
            started=now,
            began=time.monotonic(),
            deadline=asyncio.get_running_loop().time() + self.parts.request_timeout,
            asked=asked,
            recall=self._recalls(request),
        )

    def _recalls(self, request: ChatRequest) -> bool:
        """Whether the model may ask for what an optimizer leaves out: where one leaves something out at all."""
        parts = self.parts
        trims = bool(parts.cast.optimizers) and request.hints.optimize and parts.routing.mode != "observe"
        return trims and recall.offered(request, parts.recall)

    def _route(self, call: Call, complexity: Complexity) -> RoutePlan:
        parts, request = self.parts, call.request
        call.cache_hints = self._cache_hints(call)
        view = RouteView(
            asked=call.asked,
            deployments=parts.deployments.active,
            cooling=parts.cooldowns.cooling(),
            needs=wire.needs(request.body),
            sizes=call.sizes,
            warmth=call.warmth,
            budget=parts.budgets.view(call.caller.budget),
            routing=parts.routing,
            marked=call.marks is not None,
            marking=call.cache_hints.marked,
        )
        as_asked = partial(faithful_plan, call.asked, view)
        if parts.routing.mode == "observe":
            call.advised = parts.cast.route(request, complexity, view, as_asked)
            return replace(as_asked(), trimmed=False, considered=call.advised.considered)
        plan = parts.cast.route(request, complexity, view, as_asked)
        # While nothing is cut the tool makes the trimmed body the longer one; but a tool that comes and goes would
        # empty the provider's cache each time.
        return replace(plan, trimmed=True) if call.recall and not plan.trimmed else plan

    def _cache_hints(self, call: Call) -> CacheHints:
        parts = self.parts
        if not (parts.cache_hints and call.request.hints.optimize) or parts.routing.mode == "observe":
            return NO_HINTS
        return cache_hints(
            call.request,
            call.session,
            (*parts.deployments.active, *call.asked.deployments),
            marked=call.marks is not None,
            seen=call.memory.deployment is not None,
        )


def completed(call: Call) -> Completed:
    return Completed(call.answering.finish_reason if call.answering is not None else None)


def outcome_of(error: BaseException, call: Call) -> Outcome:
    """How a call ended that ended with `error`."""
    if isinstance(error, RefusedError):
        return Refused(status=error.status, code=error.code, message=error.message)
    if isinstance(error, UpstreamError):
        status, body, _ = wire.error_body(error)
        code = body["error"]["code"] or wire.upstream_code(error)
        return Failed(status=status, code=code, message=error.message, committed=call.reply is not None)
    if isinstance(error, asyncio.CancelledError | ConnectionResetError | GeneratorExit):
        return Cancelled("streaming" if call.reply is not None else "waiting")
    return Failed(status=500, code="internal_error", message=type(error).__name__, committed=call.reply is not None)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` however often the awaiting task is cancelled, then let the cancellation through."""
    task = asyncio.ensure_future(work)
    cancelled = False
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        cancelled = True
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
    task.result()
    if cancelled:
        raise asyncio.CancelledError
