"""The plugins in their seats. Each method asks one role and applies that role's failure policy, so that the pipeline
reads as if plugins never failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from gateway import wire
from gateway.api import (
    Answer,
    CallView,
    ChatRequest,
    Complexity,
    Deployment,
    Edit,
    Event,
    Guard,
    Json,
    LeftOut,
    Optimized,
    Optimizer,
    PluginFailed,
    RefusedError,
    RoutePlan,
    Router,
    RouteView,
    Scorer,
    StreamFilter,
    Unavailable,
    UpstreamError,
    Verdict,
    Verifier,
)

_GUARD_SECONDS = 5.0
_OPTIMIZER_SECONDS = 5.0
_BENCH_SECONDS = 60.0
_OFF_LOOP_BYTES = 64 * 1024  # a body up to here is trimmed in less time than a hand-over to the thread costs others
_MIDDLE = Complexity(score=5.5, task_type="unknown", confidence=0.0, reason="no scorer: middle score")

log = logging.getLogger("thriftgate.plugins")


RoleT = TypeVar("RoleT")


@dataclass(frozen=True, slots=True)
class Seated(Generic[RoleT]):
    """A plugin in one of its roles, under the name tiers.yaml gives it."""

    name: str
    plugin: RoleT
    fail: Literal["open", "closed"] = "closed"


class Cast:
    """Who plays which role, in the order of tiers.yaml."""

    def __init__(
        self,
        *,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
        guards: tuple[Seated[Guard], ...] = (),
        optimizers: tuple[Seated[Optimizer], ...] = (),
        scorer: Seated[Scorer] | None = None,
        router: Seated[Router] | None = None,
        verifiers: tuple[Seated[Verifier], ...] = (),
        filters: tuple[Seated[StreamFilter], ...] = (),
    ) -> None:
        self._publish = publish
        self._clock = clock
        self.guards = guards
        self.optimizers = optimizers
        self.scorer = scorer
        self.router = router
        self.verifiers = verifiers
        self.filters = filters
        # One thread: a large body is trimmed off the event loop, and two at once would only fight for the interpreter.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="optimizer")
        self._benched_until: dict[str, float] = {}

    async def check(self, request: ChatRequest, call: CallView) -> None:
        """Ask every guard. Raises `RefusedError`; a guard that fails refuses too, unless it is set to fail open."""
        for seat in self.guards:
            try:
                async with asyncio.timeout(_GUARD_SECONDS):
                    await seat.plugin.check(request, call)
            except RefusedError:
                raise
            except Exception as error:
                self._failed(seat.name, "guard", error)
                if seat.fail == "closed":
                    raise Unavailable(f"The guard {seat.name} failed; the request was not let through.") from error

    async def optimize(self, request: ChatRequest, call: CallView) -> tuple[Optimized, Json]:
        """The edits of all optimizers, each seeing what the one before left, with all that they left out, and the body
        with the edits applied. A failing optimizer changes nothing."""
        stash: dict[str, LeftOut] = {}
        edits: dict[tuple[str | int, ...], Edit] = {}
        for seat in self.optimizers:
            if self._benched_until.get(seat.name, 0.0) > self._clock():
                continue
            try:
                proposed = await self._optimize(seat, request, call)
                check_edits(request, proposed.edits)
                request = wire.edited(request, proposed.edits)
            except Exception as error:
                self._failed(seat.name, "optimizer", error)
                continue
            for edit in proposed.edits:
                before = edits.get(edit.path)
                if before is not None:
                    edit = replace(  # noqa: PLW2901  # the same place edited twice counts both cuts
                        edit,
                        transform=f"{before.transform}+{edit.transform}",
                        tokens_removed=before.tokens_removed + edit.tokens_removed,
                        split=(*wire.shares(before), *wire.shares(edit)),
                    )
                edits[edit.path] = edit
            # What the first one saw is nearer to what the caller sent than what a later one did.
            stash = {left.id: left for left in proposed.stash} | stash
        return Optimized(tuple(edits.values()), tuple(stash.values())), request.body

    async def _optimize(self, seat: Seated[Optimizer], request: ChatRequest, call: CallView) -> Optimized:
        """A large body is trimmed off the event loop. A thread cannot be stopped: an optimizer that passes its deadline
        is left to end by itself and benched for a while, so that others do not wait behind it."""
        if request.size <= _OFF_LOOP_BYTES:
            return seat.plugin.optimize(request, call)
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()

        def work() -> Optimized:
            loop.call_soon_threadsafe(begun.set)
            return seat.plugin.optimize(request, call)

        working = loop.run_in_executor(self._thread, work)
        await begun.wait()  # the deadline is for the work, not for the queue before it
        try:
            async with asyncio.timeout(_OPTIMIZER_SECONDS):
                return await working
        except TimeoutError:
            self._benched_until[seat.name] = self._clock() + _BENCH_SECONDS
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="optimizer")
            raise

    def score(self, request: ChatRequest) -> Complexity:
        if self.scorer is None:
            return _MIDDLE
        try:
            complexity = _a(Complexity, self.scorer.plugin.score(request))
            if not 1 <= complexity.score <= 10:  # NaN is not either
                raise ValueError(f"a score of {complexity.score}, which is not from 1 to 10")  # noqa: TRY301  # its fault
        except Exception as error:
            self._failed(self.scorer.name, "scorer", error)
            return _MIDDLE
        return complexity

    def route(
        self, request: ChatRequest, complexity: Complexity, view: RouteView, faithful: Callable[[], RoutePlan]
    ) -> RoutePlan:
        """The router's plan, or `faithful()` (the model asked for) without a router or when it fails."""
        if self.router is None:
            return faithful()
        try:
            plan = _a(RoutePlan, self.router.plugin.route(request, complexity, view))
            for deployment in plan.deployments:
                _a(Deployment, deployment)
            if not plan.deployments:
                raise ValueError("a plan without deployments")  # noqa: TRY301  # a plugin's fault, treated as any other
        except RefusedError:
            raise
        except Exception as error:
            self._failed(self.router.name, "router", error)
            return faithful()
        return plan

    def verify(self, request: ChatRequest, answer: Answer) -> Verdict:
        """The first bad verdict, or a good one."""
        for seat in self.verifiers:
            try:
                verdict = _a(Verdict, seat.plugin.verify(request, answer))
            except Exception as error:
                self._failed(seat.name, "verifier", error)
                continue
            if not verdict.good:
                return verdict
        return Verdict(good=True)

    async def filter(self, events: AsyncGenerator[bytes, None], call: CallView) -> AsyncGenerator[bytes, None]:
        """The events through every stream filter. One that fails before its first event is passed over; later its
        fault ends the stream as an `UpstreamError`, which the caller sees as an error event."""
        current = events
        for seat in self.filters:
            current = self._filtered(seat, current, call)
        async with _closing(current):
            async for event in current:
                yield event

    async def _filtered(
        self, seat: Seated[StreamFilter], events: AsyncGenerator[bytes, None], call: CallView
    ) -> AsyncGenerator[bytes, None]:
        source = _Tee(events)
        begun = False
        async with _closing(events):
            try:
                async for event in seat.plugin.filter(source, call):
                    _a(bytes, event)
                    begun = True
                    source.forget()
                    yield event
            except UpstreamError:
                raise
            except Exception as error:
                self._failed(seat.name, "stream_filter", error)
                if begun:
                    raise UpstreamError(
                        f"The stream filter {seat.name} failed.", fault="protocol", retryable=False, elsewhere=False
                    ) from error
            else:
                return
            for event in source.taken:
                yield event
            async for event in events:
                yield event

    def _failed(self, plugin: str, role: str, error: Exception) -> None:
        log.error("plugin %s failed as %s: %r", plugin, role, error, exc_info=error)
        self._publish(PluginFailed(at=self._clock(), plugin=plugin, role=role, error=type(error).__name__))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def _closing(stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[None, None]:
    """Closes a stream at the end, as `aclosing` does, but for one that a filter still waits for in a task of its own:
    that cannot be closed, and ends with its upstream."""
    try:
        yield
    finally:
        with suppress(RuntimeError):
            await stream.aclose()


class _Tee:
    """Remembers what a filter took before it gave anything, so that a failing filter loses nothing."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        self._events = events
        self._remembers = True
        self.taken: list[bytes] = []

    def __aiter__(self) -> _Tee:
        return self

    async def __anext__(self) -> bytes:
        event = await anext(self._events)
        if self._remembers:
            self.taken.append(event)
        return event

    def forget(self) -> None:
        """The filter has given something: from here on nothing can be taken back."""
        self._remembers = False
        self.taken.clear()


def _a(expected: type[RoleT], given: object) -> RoleT:
    """What a plugin gave. Raises `TypeError` where it is something else, so that it is the plugin that has failed."""
    if not isinstance(given, expected):
        raise TypeError(f"gave a {type(given).__name__} where a {expected.__name__} is wanted")
    return given


def check_edits(request: ChatRequest, edits: tuple[Edit, ...]) -> None:
    """Raises `ValueError` for an edit of what must stay as it was: system prompt, calls, the last user message."""
    if not edits:
        return
    places = {part.path: part for part in request.parts}
    last_user = max((part.message for part in request.parts if part.role == "user"), default=-1)
    for edit in edits:
        part = places.get(edit.path)
        if part is None:
            raise ValueError(f"an edit of {edit.path}, where no text stands")
        last_word = part.message == last_user and not edit.observed
        if part.role in ("system", "developer") or part.kind == "tool_call" or last_word:
            raise ValueError(f"an edit of {edit.path}, which must stay as it was")
