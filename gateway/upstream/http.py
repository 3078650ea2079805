"""The pooled HTTP client: one POST, a head, and a body that is read as it comes.

The port is narrow (`send(request) -> reply`), so that what carries a request can be changed without a word to anyone.
Everything a hostile or sick upstream can do is bounded: time to connect, silence between reads, the size of the head,
how much lies here unread, and the size of a compressed answer once it is unpacked. How long to wait for the head is
the lane's own affair.

    http        the port                       pool        connections that lie ready
    address     where to, and what is sent     dial        new connections
    unpacking   compressed bodies              connection  one connection; `incoming`: one answer on it
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.api import UpstreamError
from gateway.upstream.address import Address, address
from gateway.upstream.answers import Timeouts
from gateway.upstream.connection import Connection
from gateway.upstream.dial import Dialer
from gateway.upstream.faults import broken
from gateway.upstream.incoming import Incoming
from gateway.upstream.pool import Pool
from gateway.upstream.unpacking import Unpacking

__all__ = ["Address", "Client", "Reply", "Request", "address"]

MAX_WHOLE = 64 * 1024 * 1024
MAX_ERROR_BODY = 256 * 1024
# A reused connection that breaks this soon was closed by the other side while it lay in the pool. Later than that the
# upstream may have been at work, and only the caller's retry policy may decide to pay twice.
_STALE_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `headers` are this request's own, beside those of the address."""

    to: Address
    headers: Mapping[str, str]
    body: bytes


class Headers(Mapping[str, str]):
    """The fields of a head by name, whatever the case; decoded when they are looked at, as nearly none ever is."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower().encode()].decode("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("ascii") for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Reply:
    """The head of an answer and a body not read yet. Whoever holds it reads it to the end or closes it."""

    def __init__(self, connection: Connection, incoming: Incoming, idle: float) -> None:
        self._connection = connection
        self._incoming = incoming
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._unpacking: Unpacking | None = None
        self._is_packed = incoming.fields.get(b"content-encoding", b"").lower() not in {b"", b"identity"}
        self.status = incoming.status
        self.headers: Mapping[str, str] = Headers(incoming.fields)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read, so that the connection is back in the pool."""
        return self._incoming.ended

    async def read(self) -> bytes:
        """The next piece of the body, unpacked; nothing at its end.

        Raises `UpstreamError` on a reset and on silence longer than `idle`, once what came before it has been read.
        """
        incoming = self._incoming
        while True:
            if not incoming.ready:
                self._keep_watch()
                await incoming.wait(1)
            data = incoming.take()
            if not data and incoming.fault is not None:
                raise incoming.fault
            if not incoming.complete:
                self._connection.resume()
            if not data or not self._is_packed:
                return data
            if self._unpacking is None:
                self._unpacking = Unpacking(self.headers["content-encoding"], MAX_WHOLE)
            if unpacked := self._unpacking.feed(data):
                return unpacked

    async def whole(self, limit: int = MAX_WHOLE) -> bytes:
        """The whole body; a longer one than `limit` bytes is a protocol fault."""
        pieces: list[bytes] = []
        size = 0
        try:
            if not self._incoming.complete and not self._is_packed:
                self._keep_watch()
                await self._incoming.wait(limit + 1)  # and is not woken for every piece
            while piece := await self.read():
                size += len(piece)
                if size > limit:
                    raise broken("protocol", f"the upstream's answer is larger than {limit} bytes", retryable=False)
                pieces.append(piece)
        finally:
            self.close()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def error_body(self) -> bytes:
        """As much of an error's body as is worth reading; what breaks off is cut off."""
        body = b""
        try:
            while len(body) < MAX_ERROR_BODY and (piece := await self.read()):
                body += piece
        except UpstreamError:
            return body  # that there is an error is known already
        finally:
            self.close()
        return body[:MAX_ERROR_BODY]

    def close(self) -> None:
        """Closes the connection unless the body was read to its end (then it is already back in the pool)."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if not self._incoming.complete:
            self._connection.abort()

    def _keep_watch(self) -> None:
        """One timer watches over all reads of an answer: a timeout for each would cost as much as the read itself."""
        if self._watch is None:
            self._watch = self._loop.call_later(self._idle, self._look)

    def _look(self) -> None:
        since = self._incoming.waiting_since
        left = self._idle if since is None else since + self._idle - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look)
        else:
            self._watch = None
            self._incoming.fail(broken("timeout", f"the upstream fell silent for {self._idle:g} s"))
            self._connection.abort()


class Client:
    """A pool of connections. Follows no redirect, keeps no cookie and reads no proxy from the environment."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.use(timeouts)
        self._pool = Pool()
        self._dialer = Dialer(self._pool)
        self._loop = asyncio.get_running_loop()

    def use(self, timeouts: Timeouts) -> None:
        """New timeouts, for the next call on."""
        self._timeouts = timeouts

    async def send(self, request: Request) -> Reply:
        """Sends and waits for the head. Raises `UpstreamError`; cancelling closes the connection."""
        head = request.to.head_for(request.headers, len(request.body))
        connection = self._pool.take(request.to.origin)
        if connection is not None:
            began = self._loop.time()
            incoming = await connection.ask(head, request.body)
            stale = incoming.lost and not incoming.heard and self._loop.time() - began <= _STALE_WITHIN
            if not stale:
                return self._reply(connection, incoming)
        connection = await self._dialer.open(request.to.origin, self._timeouts.connect)
        self._pool.add(connection)
        return self._reply(connection, await connection.ask(head, request.body))

    def _reply(self, connection: Connection, incoming: Incoming) -> Reply:
        if not incoming.status and incoming.fault is not None:
            raise incoming.fault
        return Reply(connection, incoming, self._timeouts.idle)

    async def close(self) -> None:
        await self._pool.close()
