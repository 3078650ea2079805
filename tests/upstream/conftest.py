"""One gateway-side `Upstreams` per test over litellm, which is imported once per process; and raw servers for what no
decent upstream does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import uvloop

from gateway.api import Deployment, Json, Tier
from gateway.upstream import Streamed, Timeouts, Upstreams, Whole
from gateway.upstream.http import Client, Reply, Request, address
from gateway.upstream.library import load, warm
from gateway.upstream.scripted import ScriptedUpstream

HELLO: Json = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The client deals with transports itself, so its tests run over both kinds of them."""
    if item.path.name.startswith("test_http_"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


def deployment_of(model: str = "openai/gpt-4o-mini", **how: Any) -> Deployment:
    provider, _, upstream_model = model.partition("/")
    given = {"name": "under-test", "tier": Tier.BASE, "api_key": "sk-test-0123456789abcdef", **how}
    return Deployment(model=model, provider=provider, upstream_model=upstream_model, **given)


@pytest.fixture(scope="session", autouse=True)
def litellm() -> Any:
    """litellm with all that a call imports; pydantic warns of its types while they are made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = load()
        warm(module)
    return module


@pytest.fixture
def deployment() -> Callable[..., Deployment]:
    return deployment_of


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture
async def upstreams() -> AsyncIterator[Upstreams]:
    room = Upstreams(Timeouts(connect=2.0, first_byte=5.0, idle=2.0))
    await room.start()
    await room.wait_ready()
    yield room
    await room.close()


@pytest.fixture
def call(upstreams: Upstreams) -> Callable[..., Any]:
    async def call(
        deployment: Deployment, body: Json | None = None, *, stream: bool = False, within: float = 10.0
    ) -> Any:
        return await upstreams.call(
            deployment, HELLO if body is None else body, stream=stream, timeout=within, request_id="req-1"
        )

    return call


@pytest.fixture
def whole(call: Callable[..., Any]) -> Callable[..., Any]:
    async def whole(deployment: Deployment, body: Json | None = None, **how: Any) -> Whole:
        answer = await call(deployment, body, **how)
        assert isinstance(answer, Whole)
        return answer

    return whole


@pytest.fixture
def events(call: Callable[..., Any]) -> Callable[..., Any]:
    async def events(deployment: Deployment, body: Json | None = None, **how: Any) -> list[bytes]:
        answer = await call(deployment, body, stream=True, **how)
        assert isinstance(answer, Streamed)
        return [event async for batch in answer.events for event in batch]

    return events


class Peer:
    """The server's end of one connection, as rude as a test wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.gone = asyncio.Event()

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request."""
        head = await self.head()
        [length] = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head, await self._reader.readexactly(int(length))

    async def head(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def say(self, *pieces: bytes) -> None:
        """Each piece is a read of its own, as far as the network lets one choose."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.005)

    async def left(self) -> None:
        """Returns when the client has ended the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass


Serve = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Loopback servers that know nothing of HTTP. Each serves a connection until its `serve` returns, then ends it."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def start(self, serve: Serve, tls: ssl.SSLContext | None = None) -> str:
        """The URL to post to."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tasks.add(asyncio.current_task())
            self.peers.append(peer := Peer(reader, writer))
            try:
                await serve(peer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the client went; a test that minds looks at `gone`
            finally:
                peer.gone.set()
                writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        scheme = "http" if tls is None else "https"
        return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"

    async def answering(self, *answers: bytes) -> str:
        """Every connection answers its requests with these bytes, one after the other, and then ends."""

        async def serve(peer: Peer) -> None:
            for answer in answers:
                await peer.request()
                await peer.say(answer)

        return await self.start(serve)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, self._tasks), return_exceptions=True)
        for peer in self.peers:
            with contextlib.suppress(AttributeError):  # of asyncio's own: a transport that is gone has no loop any more
                peer.writer.transport.abort()
        await asyncio.sleep(0.01)  # the event loop closes what was aborted


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    server = RawServer()
    yield server
    await server.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(Timeouts(connect=2.0, first_byte=5.0, idle=0.4))
    yield client
    await client.close()


@pytest.fixture
def ask(client: Client) -> Callable[..., Awaitable[Reply]]:
    """Sends a POST to a URL."""

    async def ask(url: str, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Reply:
        return await client.send(Request(address(url, {}), headers or {}, body))

    return ask
