"""A real HTTP server on loopback that answers as a provider would, by script: for tests, benchmarks and the harness.

    async with ScriptedUpstream() as up:
        up.reply(text="hi")                      # the next call is answered so; further replies queue up behind it
        up.reply(status=429, headers={"retry-after": "2"})
        ... a deployment with api_base=up.url ...
        assert up.calls[0].body["model"] == "gpt-5-mini"

With no reply left in the script it echoes: text that varies with the prompt and is always the same for the same prompt;
`ScriptedUpstream(answer=...)` puts another function of the body in its place.
It speaks OpenAI's `/v1/chat/completions`, Anthropic's `/v1/messages` and Gemini's `generateContent`.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from gateway.upstream import scripted_dialects as dialects
from gateway.upstream.scripted_dialects import Counts, Reply

_SENTENCES = (
    "the build passes after this change",
    "every caller now hands over an explicit limit",
    "none of them relies on order",
    "we can drop the old branch",
    "keep one test for each case",
    "measure again before release",
    "the failing step reads a stale file",
    "two of the three modules share that path",
    "an empty list is a valid answer here",
)


@dataclass(slots=True)
class Call:
    """One request as it arrived. `closed` is set when the client goes away before the answer is complete."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Any]
    connection: int
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedUpstream:
    """The server. `url` is an OpenAI-style base (ends in `/v1`), `root` the bare address."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Reply] | None = None) -> None:
        self.calls: list[Call] = []
        self._answer_to = answer or echo
        self._script: deque[Reply] = deque()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def reply(self, text: str | None = None, **how: Any) -> None:
        """Queues an answer; the keywords are the fields of `Reply`."""
        self._script.append(Reply(text=text, **how))

    def forget(self) -> None:
        """Drops the answers that were queued and not asked for."""
        self._script.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, port: int = 0) -> None:
        """Listens on loopback; port 0 takes a free one."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._serve(dialects.openai))
        app.router.add_post("/chat/completions", self._serve(dialects.openai))
        app.router.add_post("/v1/messages", self._serve(dialects.anthropic))
        app.router.add_post(r"/{version:v1|v1beta}/models/{model:[^:]+}:{verb}", self._serve(dialects.gemini))
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _serve(self, dialect: dialects.Dialect) -> Callable[[web.Request], Any]:
        async def handler(request: web.Request) -> web.StreamResponse:
            call = await _call(request)
            self.calls.append(call)
            reply = self._script.popleft() if self._script else self._answer_to(call.body)
            stream = dialect.streams(call.body, request.path)
            try:
                return await self._answer(request, call, reply, dialect, stream)
            except (asyncio.CancelledError, ConnectionResetError):
                call.closed.set()
                raise

        return handler

    async def _answer(
        self, request: web.Request, call: Call, reply: Reply, dialect: dialects.Dialect, stream: bool
    ) -> web.StreamResponse:
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.drop:
            _abort(request)
            return web.Response()
        if reply.body is not None or reply.status != 200 or not stream:
            body = reply.body if reply.body is not None else dialect.whole(reply, call.body)
            return _plain(reply, body)
        return await _stream(request, reply, dialect, dialect.events(reply, call.body))


async def _call(request: web.Request) -> Call:
    raw = await request.read()
    transport = request.transport
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = {}
    return Call(
        path=request.path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        raw=raw,
        body=body if isinstance(body, dict) else {},
        connection=id(transport),
    )


def _plain(reply: Reply, body: bytes) -> web.Response:
    headers = dict(reply.headers)
    if reply.gzip:
        body, headers["content-encoding"] = gzip.compress(body), "gzip"
    headers.setdefault("content-type", reply.content_type or "application/json")
    return web.Response(status=reply.status, body=body, headers=headers)


async def _stream(
    request: web.Request, reply: Reply, dialect: dialects.Dialect, events: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream", **reply.headers})
    await response.prepare(request)
    sent = 0
    async for event in events:
        if reply.cut_after is not None and sent >= reply.cut_after:
            return await _break_off(request, response, reply, dialect)
        await response.write(event)
        sent += 1
        if reply.gap:
            await asyncio.sleep(reply.gap)
    await response.write_eof()
    return response


async def _break_off(
    request: web.Request, response: web.StreamResponse, reply: Reply, dialect: dialects.Dialect
) -> web.StreamResponse:
    """What a sick upstream does in the middle: reports an error, falls silent, or drops the connection."""
    if reply.error is not None:
        await response.write(dialect.fault(reply.error))
        await response.write_eof()
        return response
    if reply.hang:
        await asyncio.sleep(3600)
    if reply.clean_cut:
        await response.write_eof()
        return response
    _abort(request)
    return response


def _abort(request: web.Request) -> None:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()


def echo(body: Mapping[str, Any]) -> Reply:
    """An answer that depends on the prompt alone, with a usage that fits its length (about four bytes a token)."""
    prompt = orjson.dumps([body.get("messages"), body.get("contents"), body.get("system")])
    seed = zlib.crc32(prompt)
    draw = random.Random(seed)  # noqa: S311  # varied text, no secret
    text = "; ".join(draw.sample(_SENTENCES, draw.randint(2, 6)))
    return Reply(text=text, usage=Counts(prompt=max(1, len(prompt) // 4), completion=max(1, len(text) // 4)))
