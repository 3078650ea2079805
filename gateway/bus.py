"""Events to listeners, off the request's path.

Each listener has a queue and a task of its own, so that a slow or failing one harms neither a request nor another
listener. What does not fit a full queue is dropped and counted; money never travels here (the ledger is written first).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field

from gateway.api import Event, Listener

_QUEUE = 10_000
_EVENT_SECONDS = 10.0  # a listener that hangs fails on that event
_BENCH_AFTER = 20  # failures in a row
_DRAIN_SECONDS = 5.0

log = logging.getLogger("thriftgate.bus")


@dataclass(slots=True, eq=False)
class _Seat:
    name: str
    listener: Listener
    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    task: asyncio.Task[None] | None = None
    dropped: int = 0
    failed: int = 0
    failed_in_a_row: int = 0

    @property
    def benched(self) -> bool:
        return self.failed_in_a_row >= _BENCH_AFTER

    def offer(self, event: Event) -> None:
        if not isinstance(event, self.listener.events):
            return
        if self.benched or self.queue.full():
            self.dropped += 1
            return
        self.queue.put_nowait(event)

    async def listen(self) -> None:
        while not self.benched:
            event = await self.queue.get()
            try:
                async with asyncio.timeout(_EVENT_SECONDS):
                    await self.listener.on_event(event)
                self.failed_in_a_row = 0
            except Exception:  # isolation: a listener's fault stays its own
                self.failed += 1
                self.failed_in_a_row += 1
                log.exception("listener %s failed on %s", self.name, event.name)
            finally:
                self.queue.task_done()
        log.error("listener %s is benched after %d failures in a row", self.name, self.failed_in_a_row)
        while not self.queue.empty():
            self.queue.get_nowait()
            self.queue.task_done()
            self.dropped += 1


@dataclass(frozen=True, slots=True)
class ListenerState:
    """How a listener fares: events dropped, events it failed on, and whether it is benched."""

    name: str
    dropped: int
    failed: int
    benched: bool


class Bus:
    """Hands each published event to every listener of its kind. Use from one event loop."""

    def __init__(self) -> None:
        self._seats: dict[Listener, _Seat] = {}

    def attach(self, name: str, listener: Listener) -> None:
        """Start delivering events to a listener; one that is attached already keeps its queue."""
        if listener in self._seats:
            return
        seat = _Seat(name, listener)
        seat.task = asyncio.get_running_loop().create_task(seat.listen(), name=f"listener {name}")
        self._seats[listener] = seat

    def detach(self, listener: Listener) -> Awaitable[None]:
        """From now on a listener gets no new event. What is returned delivers those that wait for it, for a few seconds
        at most, and then ends."""
        return self._end(self._seats.pop(listener, None))

    async def _end(self, seat: _Seat | None) -> None:
        if seat is None or seat.task is None:
            return
        try:
            await asyncio.wait_for(seat.queue.join(), _DRAIN_SECONDS)
        except TimeoutError:
            seat.dropped += seat.queue.qsize()
            log.warning("listener %s left %d events behind", seat.name, seat.queue.qsize())
        seat.task.cancel()
        await asyncio.gather(seat.task, return_exceptions=True)

    def publish(self, event: Event) -> None:
        """Never blocks and never raises."""
        for seat in self._seats.values():
            seat.offer(event)

    def states(self) -> tuple[ListenerState, ...]:
        return tuple(ListenerState(s.name, s.dropped, s.failed, s.benched) for s in self._seats.values())

    async def settle(self, seconds: float | None = None) -> None:
        """Wait until every listener has heard what was published so far, or for `seconds`."""
        waiting = [asyncio.ensure_future(seat.queue.join()) for seat in self._seats.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=seconds)
            for wait in late:
                wait.cancel()

    async def close(self) -> None:
        for listener in list(self._seats):
            await self.detach(listener)
