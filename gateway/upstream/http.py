"""The pooled HTTP client: one POST, a head, and a body that is read as it comes.

The port is narrow (`send(request) -> reply`) so that a faster client can stand behind it. Everything a hostile or sick
upstream can do is bounded: time to connect, time to the head, silence between reads, header sizes, and the size of a
compressed answer once it is unpacked.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from gateway.upstream.answers import Timeouts
from gateway.upstream.faults import broken

MAX_WHOLE = 64 * 1024 * 1024
MAX_ERROR_BODY = 256 * 1024
_PIECE = 64 * 1024
_KEEP_ALIVE = 30.0
_MAX_FIELD = 32 * 1024
# A reused connection that breaks this soon was closed by the other side while it lay in the pool. Later than that the
# upstream may have been at work, and only the caller's retry policy may decide to pay twice.
_STALE_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `head_timeout` in seconds bounds the wait for the answer's head."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    head_timeout: float


class Reply:
    """The head of an answer and a body not read yet. Whoever holds it reads it to the end or closes it."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float) -> None:
        self._response = response
        self._idle = idle
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces, unpacked. Raises `UpstreamError` on a reset and on silence longer than `idle`."""
        try:
            unpack = _unpacker(self.headers.get("content-encoding", ""))
            while data := await self._read():
                for piece in (data,) if unpack is None else _unpacked(unpack, data):
                    yield piece
        finally:
            self.close()

    async def whole(self, limit: int = MAX_WHOLE) -> bytes:
        """The whole body; a longer one than `limit` bytes is a protocol fault."""
        pieces: list[bytes] = []
        size = 0
        async with aclosing(self.chunks()) as chunks:
            async for piece in chunks:
                size += len(piece)
                if size > limit:
                    raise broken("protocol", f"the upstream's answer is larger than {limit} bytes", retryable=False)
                pieces.append(piece)
        return b"".join(pieces)

    async def error_body(self) -> bytes:
        """As much of an error's body as is worth reading; what breaks off is cut off."""
        pieces: list[bytes] = []
        size = 0
        async with aclosing(self.chunks()) as chunks:
            async for piece in chunks:
                pieces.append(piece)
                size += len(piece)
                if size >= MAX_ERROR_BODY:
                    break
        return b"".join(pieces)[:MAX_ERROR_BODY]

    def close(self) -> None:
        """Closes the connection unless the body was read to its end (then it is already back in the pool)."""
        self._response.close()

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle):
                return await self._response.content.readany()
        except TimeoutError:
            raise broken("timeout", f"the upstream fell silent for {self._idle:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise broken("reset", f"the connection broke off in the answer ({type(error).__name__})") from None


class Client:
    """A pool of connections. Follows no redirect, keeps no cookie and reads no proxy from the environment."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._pooled = self._session(aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=60))
        self._unpooled = self._session(aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=60))

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_PIECE,
            max_field_size=_MAX_FIELD,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeouts.connect),
            skip_auto_headers=("User-Agent",),
            trace_configs=[_reuse_trace()],
        )

    async def send(self, request: Request) -> Reply:
        """Sends and waits for the head. Raises `UpstreamError`; cancelling closes the connection."""
        reused = SimpleNamespace(connection=False)
        began = asyncio.get_running_loop().time()
        try:
            return await self._post(self._pooled, request, request.head_timeout, reused)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            waited = asyncio.get_running_loop().time() - began
            if not reused.connection or waited > _STALE_WITHIN:
                raise broken("reset", f"the connection broke off before the answer ({type(error).__name__})") from None
        left = request.head_timeout - waited
        try:
            return await self._post(self._unpooled, request, left, reused)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise broken("reset", f"the connection broke off before the answer ({type(error).__name__})") from None

    async def _post(
        self, session: aiohttp.ClientSession, request: Request, head_timeout: float, reused: SimpleNamespace
    ) -> Reply:
        try:
            async with asyncio.timeout(head_timeout):
                response = await session.post(
                    request.url,
                    data=request.body,
                    headers=request.headers,
                    allow_redirects=False,
                    trace_request_ctx=reused,
                )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise broken("connect", f"no connection to the upstream ({type(error).__name__})") from None
        except TimeoutError:
            raise broken("timeout", f"the upstream sent no answer within {head_timeout:g} s") from None
        except (aiohttp.InvalidURL, ValueError):
            raise broken("connect", "the upstream's address cannot be used", retryable=False) from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            raise
        except aiohttp.ClientError as error:
            raise broken("protocol", f"the upstream's answer is not HTTP ({type(error).__name__})") from None
        return Reply(response, self._timeouts.idle)

    async def close(self) -> None:
        await self._pooled.close()
        await self._unpooled.close()


def _reuse_trace() -> aiohttp.TraceConfig:
    """Notes on each request's own context whether its connection came out of the pool."""

    async def note(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.connection = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(note)
    return trace


def _unpacker(encoding: str) -> zlib._Decompress | None:
    """We ask for `identity`, yet some proxies compress all the same. Gzip and deflate are unpacked in bounded pieces;
    what else there is was not asked for and is refused."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS | 32)
        case other:
            raise broken("protocol", f"the upstream sent `{other[:40]}`, which was not asked for", retryable=False)


def _unpacked(unpack: zlib._Decompress, data: bytes) -> list[bytes]:
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
    return pieces
