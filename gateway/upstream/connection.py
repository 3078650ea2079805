"""One connection to an upstream: one request at a time goes out, its answer comes in."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from gateway.upstream.address import Origin
from gateway.upstream.faults import broken
from gateway.upstream.incoming import Incoming

_JOINED = 64 * 1024  # bytes; up to here a copy is cheaper than a second write
_PIECE = 256 * 1024


class Home(Protocol):
    """Where a connection belongs between two requests."""

    def give(self, connection: Connection) -> None:
        """It can carry another request."""

    def forget(self, connection: Connection) -> None:
        """It is no longer of use."""


class Connection(asyncio.Protocol):
    """Goes home by itself as soon as an answer is complete, and ends when anything is not as it should be.

    What the upstream sends without being asked ends it too: it could pass for the answer to the next request.
    """

    def __init__(self, origin: Origin, home: Home) -> None:
        self.origin = origin
        self._home = home
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._incoming: Incoming | None = None
        self._writing = False
        self._clogged = False
        self._paused = False

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, head: bytes, body: bytes) -> Incoming:
        """Sends a request and waits for the head of the answer, or for its failure.

        An answer may come before all of a long request is sent. The rest is then kept back. Cancelling ends the
        connection.
        """
        self._incoming = incoming = Incoming(self._loop)
        transport = self._transport
        if transport is None or transport.is_closing():
            self._lose(None)
            return incoming
        try:
            if len(body) <= _JOINED:
                transport.write(head + body)
            else:
                transport.write(head)
                await self._write(transport, body, incoming)
            await incoming.wait(0)
        except BaseException:
            self.abort()
            raise
        return incoming

    async def _write(self, transport: asyncio.Transport, body: bytes, incoming: Incoming) -> None:
        """Writes a long body no faster than it leaves, in pieces, so that other calls get their turn."""
        self._writing = True
        view = memoryview(body)
        for start in range(0, len(view), _PIECE):
            if start:
                await asyncio.sleep(0)
            while self._clogged and not incoming.decided:
                await incoming.change()
            if incoming.decided:
                return  # and the connection is not kept: half a request lies on it
            transport.write(view[start : start + _PIECE])
        self._writing = False

    def resume(self) -> None:
        """The reader has taken what lay here."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Ends it at once, whatever has not been sent or read."""
        self._home.forget(self)
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.fail(broken("reset", "the connection was given up"))  # what is cut off here is not whole
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        if incoming is None:
            self.abort()
            return
        incoming.feed(data)
        if incoming.complete:
            self._incoming = None
            self.resume()
            if incoming.keeps and not self._writing:
                self._home.give(self)
            else:
                self.abort()
        elif incoming.fault is not None:
            self.abort()
        elif incoming.overfull and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._lose(None)
        self.abort()  # else what has not been sent would be waited for

    def connection_lost(self, exc: Exception | None) -> None:
        self._home.forget(self)
        self._lose(exc)

    def _lose(self, error: Exception | None) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.lose(error)

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        if self._incoming is not None:
            self._incoming.wake()
