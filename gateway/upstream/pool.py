"""The connections that lie ready, by what they lead to."""

from __future__ import annotations

import asyncio

from gateway.upstream.address import Origin
from gateway.upstream.connection import Connection

KEEP_ALIVE = 30.0


class Pool:
    """Keeps connections for `KEEP_ALIVE` seconds after an answer. What was used last is used first, so that what a
    burst left behind goes. There is no limit to the connections in use: whoever calls bounds those."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Origin, dict[Connection, float]] = {}
        self._all: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    def add(self, connection: Connection) -> None:
        """A new connection, in use."""
        self._all.add(connection)
        if self._closed:
            connection.abort()

    def take(self, origin: Origin) -> Connection | None:
        """One that lies ready, to be used."""
        idle = self._idle.get(origin)
        while idle:
            connection, _ = idle.popitem()
            if connection.alive:
                return connection
        return None

    def give(self, connection: Connection) -> None:
        """One that has done its work."""
        self._idle.setdefault(connection.origin, {})[connection] = self._loop.time()
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(KEEP_ALIVE, self._sweep)

    def forget(self, connection: Connection) -> None:
        """One that has ended, or is about to."""
        self._all.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None:
            idle.pop(connection, None)
            if not idle:
                del self._idle[connection.origin]

    async def close(self) -> None:
        """Ends all connections, those in use too."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in tuple(self._all):
            connection.abort()
        await asyncio.sleep(0)  # the event loop closes the sockets at its next turn

    def _sweep(self) -> None:
        """One timer for all; the oldest of each origin come first."""
        now = self._loop.time()
        kept = [pair for idle in self._idle.values() for pair in idle.items()]
        aged = [connection for connection, since in kept if since + KEEP_ALIVE <= now]
        for connection in aged:
            connection.abort()
        oldest = min((next(iter(idle.values())) for idle in self._idle.values() if idle), default=None)
        self._sweeping = None
        if oldest is not None:
            self._sweeping = self._loop.call_at(oldest + KEEP_ALIVE, self._sweep)
