"""The provider lane where the upstream speaks OpenAI's wire: shape the request, relay the answer byte for byte."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import orjson

from gateway.api import Deployment, Json, UpstreamError
from gateway.upstream.address import Address, address
from gateway.upstream.answers import Streamed, Timeouts, Whole
from gateway.upstream.faults import broken, from_status, in_band
from gateway.upstream.http import Client, Reply, Request
from gateway.upstream.providers import BASES, provider_class
from gateway.upstream.rules import Rules, apply, derive
from gateway.wire import SseSplitter, cut_off, data_of, dumps

_MAX_ROUTES = 512
# What an answer ends with: where `[DONE]` is missing, one of the last events must say that the model was done.
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
_ENDING = 8
_DONE = (b"data: [DONE]", b"data:[DONE]")
_AFTER_DONE = 0.25


@dataclass(frozen=True, slots=True)
class Route:
    """All of a call to a deployment that does not depend on the request."""

    to: Address
    rules: Rules


class Relay:
    """Calls OpenAI-shaped upstreams. `library` gives litellm once it is loaded."""

    def __init__(self, client: Client, library: Callable[[], ModuleType], timeouts: Timeouts) -> None:
        self._client = client
        self._library = library
        self.timeouts = timeouts
        self._routes: dict[Deployment, Route] = {}

    async def whole(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Whole:
        """The whole answer within `within` seconds. Raises `UpstreamError`."""
        try:
            async with asyncio.timeout(within):
                reply = await self._send(deployment, body, False, request_id)
                raw = await reply.whole()
        except TimeoutError:
            raise broken("timeout", f"the upstream did not finish within {within:g} s") from None
        if b'"choices"' not in raw:
            raise no_answer(raw, secret=deployment.api_key)
        return Whole(raw)

    async def stream(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Streamed:
        """The answer's events. `within` bounds the wait for the head in seconds, `idle` the silence after it."""
        wait = min(within, self.timeouts.first_byte)
        try:
            async with asyncio.timeout(wait):
                reply = await begun(await self._send(deployment, body, True, request_id), secret=deployment.api_key)
        except TimeoutError:
            raise broken("timeout", f"the upstream did not begin within {wait:g} s") from None
        return Streamed(_events(reply, deployment.api_key))

    async def _send(self, deployment: Deployment, body: Json, stream: bool, request_id: str) -> Reply:
        route = self._routes.get(deployment) or await self._resolve(deployment)
        shaped = apply(route.rules, body, deployment.upstream_model, stream=stream)
        request = Request(route.to, {"x-client-request-id": request_id}, dumps(shaped))
        return await accepted(await self._client.send(request), secret=deployment.api_key)

    async def _resolve(self, deployment: Deployment) -> Route:
        # Up to a quarter of a second for some classes, so not on the event loop.
        route = await asyncio.to_thread(resolve, self._library(), deployment)
        keep(self._routes, deployment, route)
        return route


def keep(known: dict[Deployment, Any], deployment: Deployment, value: object) -> None:
    """Remembers what was found out about a deployment. A wildcard brings as many as callers think of names, so the
    oldest are forgotten."""
    while len(known) >= _MAX_ROUTES:
        known.pop(next(iter(known)))
    known[deployment] = value


def resolve(litellm: ModuleType, deployment: Deployment) -> Route:
    """Asks litellm's class of the provider for URL, headers and rules. Raises `UpstreamError` without an address."""
    provider = "openai" if deployment.provider == "local" else deployment.provider
    base = deployment.api_base or BASES.get(deployment.provider)
    if base is None:
        raise broken("connect", f"{deployment.name} has no api_base", code="misconfigured", retryable=False)
    model = deployment.upstream_model
    config = provider_class(litellm, provider, model)
    url = config.get_complete_url(
        api_base=base, api_key=deployment.api_key or "", model=model, optional_params={}, litellm_params={}
    )
    headers: dict[str, str] = config.validate_environment(
        headers={},
        model=model,
        messages=[],
        optional_params={},
        litellm_params={},
        api_key=deployment.api_key or "none",
        api_base=base,
    )
    if deployment.api_key is None:
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    return Route(address(url, headers), derive(config, provider, model, base))


async def accepted(reply: Reply, *, secret: str | None) -> Reply:
    """The reply if its status is 200; raises what it says otherwise."""
    if reply.status == 200:
        return reply
    if 200 < reply.status < 300:
        reply.close()
        raise broken("protocol", f"the upstream answered {reply.status}, which carries no chat completion")
    raise from_status(reply.status, reply.headers, await reply.error_body(), secret=secret)


async def begun(reply: Reply, *, secret: str | None) -> Reply:
    """The reply if it is a stream; raises what it says otherwise."""
    if reply.content_type not in {"application/json", "text/html"}:
        return reply
    raw = await reply.whole()
    if b'"choices"' in raw:
        raise broken("protocol", "the upstream answered a stream with a whole answer", retryable=False)
    raise no_answer(raw, secret=secret)


def no_answer(raw: bytes, *, secret: str | None) -> UpstreamError:
    """The error for a body of status 200 that is no answer: an error object, nothing, HTML, broken JSON."""
    if not raw.strip():
        return broken("protocol", "the upstream answered 200 with nothing")
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        if raw.lstrip()[:1] == b"<":
            return broken("protocol", "the upstream answered 200 with HTML", retryable=False)
        return broken("protocol", "the upstream answered 200 with broken JSON")
    if isinstance(answer, dict) and answer.get("error"):
        return in_band(answer["error"], secret=secret)
    return broken("protocol", "the upstream answered 200 with JSON that is not a chat completion")


async def _events(reply: Reply, secret: str | None) -> AsyncGenerator[list[bytes], None]:
    splitter = SseSplitter()
    ending: deque[bytes] = deque(maxlen=_ENDING)
    try:
        while data := await reply.read():
            events, error = _sound(splitter.feed(data), secret)
            ending.extend(events)
            if events:
                yield events
            if error is not None:
                raise error
            if events and events[-1].startswith(_DONE):
                await let_end(reply)
                return
        for rest in splitter.flush():
            if cut_off(rest):
                raise broken("reset", "the upstream's stream broke off in the middle of an event")
            if (error := _error_in(rest, secret)) is not None:
                raise error
            ending.append(rest)
            yield [rest.rstrip(b"\r\n") + b"\n\n"]
        if not any(event.startswith(_DONE) or _FINISHED.search(event) for event in ending):
            raise _unfinished(ending)
    finally:
        reply.close()


def _sound(events: list[bytes], secret: str | None) -> tuple[list[bytes], UpstreamError | None]:
    """The events up to `[DONE]`, or up to one that carries an `error` object, with that error."""
    for at, event in enumerate(events):
        if event.startswith(_DONE):
            return events[: at + 1], None
        if b'"error"' in event and (error := _error_in(event, secret)) is not None:
            return events[:at], error
    return events, None


def _unfinished(ending: Iterable[bytes]) -> UpstreamError:
    if any(data_of(event) for event in ending):
        return broken("reset", "the upstream's stream ended before the answer did")
    return broken("protocol", "the upstream answered 200 with a stream without events")


async def let_end(reply: Reply) -> None:
    """Reads the end of the body that follows the last event, so that the connection goes back to the pool."""
    if reply.ended:
        return
    try:
        async with asyncio.timeout(_AFTER_DONE):
            await reply.read()
    except (TimeoutError, UpstreamError):
        return  # the answer is complete whatever the connection does now


def _error_in(event: bytes, secret: str | None) -> UpstreamError | None:
    """The `error` object that an event of a stream carries, if it carries one."""
    try:
        data = orjson.loads(data_of(event) or b"null")
    except orjson.JSONDecodeError:
        return None
    return in_band(data["error"], secret=secret) if isinstance(data, dict) and data.get("error") else None
