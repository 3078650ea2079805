"""The provider lane where the upstream has a wire of its own: litellm's class shapes the request and translates the
answer, our own client carries both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import ModuleType

import orjson

from gateway.api import Deployment, Json, UpstreamError
from gateway.upstream.answers import Streamed, Timeouts, Whole
from gateway.upstream.anthropic import Anthropic
from gateway.upstream.faults import broken, in_band
from gateway.upstream.gemini import Gemini
from gateway.upstream.http import Client, Reply, Request
from gateway.upstream.relay import accepted, begun, keep, let_end, no_answer
from gateway.upstream.sdk_errors import translated
from gateway.upstream.shaping import Dialect, Reading, Shaped
from gateway.wire import SseSplitter, cut_off, data_of, dumps

_DIALECTS: Mapping[str, Callable[[ModuleType, Deployment], Dialect]] = {"anthropic": Anthropic, "gemini": Gemini}


class Translated:
    """Calls upstreams by their own wire. `library` gives litellm once it is loaded."""

    def __init__(self, client: Client, library: Callable[[], ModuleType], timeouts: Timeouts) -> None:
        self._client = client
        self._library = library
        self.timeouts = timeouts
        self._known: dict[Deployment, Dialect] = {}

    async def fits(self, deployment: Deployment, body: Json) -> bool:
        """Whether this request can go without `acompletion` around the class."""
        return (await self._dialect(deployment)).fits(body)

    async def whole(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Whole:
        """The whole answer within `within` seconds. Raises `UpstreamError`."""
        try:
            async with asyncio.timeout(within):
                shaped = await self._shape(deployment, body, stream=False)
                reply = await self._send(shaped, deployment, request_id)
                raw = await reply.whole()
        except TimeoutError:
            raise broken("timeout", f"the upstream did not finish within {within:g} s") from None
        return Whole(dumps(_translated(shaped.reading, raw, reply.headers, deployment.api_key)))

    async def stream(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Streamed:
        """The answer's events. `within` bounds the wait for the head in seconds, `idle` the silence after it."""
        wait = min(within, self.timeouts.first_byte)
        try:
            async with asyncio.timeout(wait):
                shaped = await self._shape(deployment, body, stream=True)
                reply = await self._send(shaped, deployment, request_id)
                reply = await begun(reply, secret=deployment.api_key)
        except TimeoutError:
            raise broken("timeout", f"the upstream did not begin within {wait:g} s") from None
        return Streamed(_events(reply, shaped.reading, deployment.api_key))

    async def _shape(self, deployment: Deployment, body: Json, *, stream: bool) -> Shaped:
        dialect = await self._dialect(deployment)
        try:
            return dialect.shape(body, stream=stream)
        except Exception as error:  # noqa: BLE001  # litellm lets through whatever its providers' code raises
            raise translated(error, secret=deployment.api_key, sent=False) from None

    async def _send(self, shaped: Shaped, deployment: Deployment, request_id: str) -> Reply:
        headers = {**shaped.headers, "x-client-request-id": request_id}
        request = Request(shaped.to, headers, dumps(shaped.body))
        return await accepted(await self._client.send(request), secret=deployment.api_key)

    async def _dialect(self, deployment: Deployment) -> Dialect:
        known = self._known.get(deployment)
        if known is None:
            # Its imports take up to seconds, so not on the event loop.
            known = await asyncio.to_thread(_DIALECTS[deployment.provider], self._library(), deployment)
            keep(self._known, deployment, known)
        return known


def _translated(reading: Reading, raw: bytes, headers: Mapping[str, str], secret: str | None) -> Json:
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise no_answer(raw, secret=secret) from None
    if not isinstance(answer, dict) or answer.get("error"):
        raise no_answer(raw, secret=secret)
    try:
        return reading.whole(answer, headers)
    except UpstreamError:
        raise
    except Exception as error:  # noqa: BLE001  # what litellm raises over an answer that it does not expect
        raise _nonsense(error) from None


async def _events(reply: Reply, reading: Reading, secret: str | None) -> AsyncGenerator[list[bytes], None]:
    splitter = SseSplitter()
    began = False
    try:
        while not reading.stops and (data := await reply.read()):
            events = splitter.feed(data)
            began = began or bool(events)
            chunks, error = _read_all(reading, events, secret)
            if chunks:
                yield chunks
            if error is not None:
                raise error
        for rest in splitter.flush():
            if cut_off(rest):
                raise broken("reset", "the upstream's stream broke off in the middle of an event")
            if chunks := _read(reading, rest, secret):
                yield chunks
        ending = reading.ending()
        if ending is None and began:
            raise broken("reset", "the upstream's stream ended before the answer did")
        if ending is None:
            raise broken("protocol", "the upstream answered 200 with a stream without events")
        yield ending
        await let_end(reply)
    finally:
        reply.close()


def _read_all(reading: Reading, events: list[bytes], secret: str | None) -> tuple[list[bytes], UpstreamError | None]:
    """The OpenAI events that the upstream's stand for, up to one that is a fault, with that fault."""
    chunks: list[bytes] = []
    try:
        for event in events:
            chunks += _read(reading, event, secret)
    except UpstreamError as error:
        return chunks, error
    return chunks, None


def _read(reading: Reading, event: bytes, secret: str | None) -> list[bytes]:
    data = data_of(event)
    if not data:
        return []
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _nonsense(error) from None
    if isinstance(parsed, dict) and parsed.get("error"):
        raise in_band(parsed["error"], secret=secret)
    try:
        return reading.event(parsed)
    except Exception as error:  # noqa: BLE001  # what litellm raises over an event that it does not expect
        raise _nonsense(error) from None


def _nonsense(error: Exception) -> UpstreamError:
    return broken("protocol", f"the upstream's answer makes no sense ({type(error).__name__})")
