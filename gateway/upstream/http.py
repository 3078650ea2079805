"""The pooled HTTP client: one POST, a head, and a body that is read as it comes.

The port is narrow (`send(request) -> reply`) so that a faster client can stand behind it. Everything a hostile or sick
upstream can do is bounded: time to connect, silence between reads, header sizes, and the size of a compressed answer
once it is unpacked. How long to wait for the head is the lane's own affair.
"""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.upstream.answers import Timeouts
from gateway.upstream.faults import broken

MAX_WHOLE = 64 * 1024 * 1024
MAX_ERROR_BODY = 256 * 1024
_PIECE = 64 * 1024
_KEEP_ALIVE = 30.0
_MAX_FIELD = 32 * 1024
_AT_ONCE = 1024 * 1024  # longer bodies are written in pieces, so that other calls get their turn
# A reused connection that breaks this soon was closed by the other side while it lay in the pool. Later than that the
# upstream may have been at work, and only the caller's retry policy may decide to pay twice.
_STALE_WITHIN = 1.0
_OURS = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "thriftgate"}

# Whether the running call had to open a connection. Set inside the call's own task, so calls do not see each other's.
_opened: ContextVar[bool] = ContextVar("opened", default=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where calls go and the headers that all of them carry, made ready once."""

    url: URL
    headers: CIMultiDict[str]


def address(url: str, headers: Mapping[str, str]) -> Address:
    """Raises `UpstreamError` where the URL is none."""
    try:
        given = {name.lower(): value for name, value in headers.items()}
        return Address(URL(url), CIMultiDict({"accept": "*/*", **given, **_OURS}))
    except ValueError:
        raise broken("connect", "the upstream's address cannot be used", retryable=False) from None


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `headers` are this request's own, beside those of the address."""

    to: Address
    headers: Mapping[str, str]
    body: bytes


class Reply:
    """The head of an answer and a body not read yet. Whoever holds it reads it to the end or closes it."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float) -> None:
        self._response = response
        self._content = response.content
        self._idle = idle
        self._unpack = _unpacker(response.headers.get("content-encoding"))
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self._silent = False
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read, so that the connection is back in the pool."""
        return self._content.at_eof()

    async def read(self) -> bytes:
        """The next piece of the body, unpacked; nothing at its end.

        Raises `UpstreamError` on a reset and on silence longer than `idle`.
        """
        while True:
            data = await self._read()
            if self._unpack is None or not data:
                return data
            if unpacked := _unpacked(self._unpack, data):
                return unpacked

    async def whole(self, limit: int = MAX_WHOLE) -> bytes:
        """The whole body; a longer one than `limit` bytes is a protocol fault."""
        pieces: list[bytes] = []
        size = 0
        try:
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
        finally:
            self.close()
        return body[:MAX_ERROR_BODY]

    def close(self) -> None:
        """Closes the connection unless the body was read to its end (then it is already back in the pool)."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._response.close()

    async def _read(self) -> bytes:
        try:
            data = self._content.read_nowait()
            if data or self._content.at_eof():
                return data
            self._waiting_since = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(self._idle, self._look)
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if self._silent:
                raise broken("timeout", f"the upstream fell silent for {self._idle:g} s") from None
            raise broken("reset", f"the connection broke off in the answer ({type(error).__name__})") from None
        finally:
            self._waiting_since = None

    def _look(self) -> None:
        """One timer watches over all reads of an answer: a timeout for each would cost as much as the read itself."""
        since = self._waiting_since
        left = self._idle if since is None else since + self._idle - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look)
        else:
            self._silent = True
            self._response.close()


class Client:
    """A pool of connections. Follows no redirect, keeps no cookie and reads no proxy from the environment."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.use(timeouts)
        self._pooled = _session(_Pool(limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=60))
        self._unpooled = _session(_Pool(limit=0, force_close=True, ttl_dns_cache=60))

    def use(self, timeouts: Timeouts) -> None:
        """New timeouts, for the next call on."""
        self._idle = timeouts.idle
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)

    async def send(self, request: Request) -> Reply:
        """Sends and waits for the head. Raises `UpstreamError`; cancelling closes the connection."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        _opened.set(False)
        try:
            return await self._post(self._pooled, request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if _opened.get() or loop.time() - began > _STALE_WITHIN:
                raise broken("reset", f"the connection broke off before the answer ({type(error).__name__})") from None
        try:
            return await self._post(self._unpooled, request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise broken("reset", f"the connection broke off before the answer ({type(error).__name__})") from None

    async def _post(self, session: aiohttp.ClientSession, request: Request) -> Reply:
        headers = request.to.headers.copy()
        headers.update(request.headers)
        body = request.body
        try:
            response = await session.post(
                request.to.url,
                data=body if len(body) <= _AT_ONCE else io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
            )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise broken("connect", f"no connection to the upstream ({type(error).__name__})") from None
        except (aiohttp.InvalidURL, ValueError):
            raise broken("connect", "the upstream's address cannot be used", retryable=False) from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            raise
        except aiohttp.ClientError as error:
            raise broken("protocol", f"the upstream's answer is not HTTP ({type(error).__name__})") from None
        try:
            return Reply(response, self._idle)
        except BaseException:
            response.close()
            raise

    async def close(self) -> None:
        await self._pooled.close()
        await self._unpooled.close()


class _Pool(aiohttp.TCPConnector):
    """Notes when a call is not served by a connection that was there already. aiohttp tells of this by its tracing
    too, at a tenth of the whole call's cost."""

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109  # aiohttp's own signature
        _opened.set(True)
        return await super()._create_connection(req, traces, timeout)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_PIECE,
        max_field_size=_MAX_FIELD,
        skip_auto_headers=("accept", *_OURS),
    )


def _unpacker(encoding: str | None) -> zlib._Decompress | None:
    """We ask for `identity`, yet some proxies compress all the same. Gzip and deflate are unpacked in bounded pieces;
    what else there is was not asked for and is refused."""
    match (encoding or "").strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS | 32)
        case other:
            raise broken("protocol", f"the upstream sent `{other[:40]}`, which was not asked for", retryable=False)


def _unpacked(unpack: zlib._Decompress, data: bytes) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        while data:
            piece = unpack.decompress(data, _PIECE)
            pieces.append(piece)
            size += len(piece)
            if size > MAX_WHOLE:
                raise broken("protocol", "the upstream's answer unpacks to more than is reasonable", retryable=False)
            data = unpack.unconsumed_tail
    except zlib.error:
        raise broken("protocol", "the upstream's compressed answer cannot be unpacked") from None
    return b"".join(pieces)
