"""The provider lane where the upstream speaks OpenAI's wire: shape the request, relay the answer byte for byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import orjson

from gateway.api import Deployment, Json, UpstreamError
from gateway.upstream.answers import Streamed, Timeouts, Whole, usage_of
from gateway.upstream.faults import broken, check_answer, from_status, in_band
from gateway.upstream.http import Client, Reply, Request
from gateway.upstream.rules import Rules, apply, derive
from gateway.upstream.sse import data_of, split

# Where each provider lives unless the deployment says otherwise. Kept here and not asked of litellm, which would let
# `OPENAI_BASE_URL` (often set to this very gateway) and its likes decide.
BASES: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "deepseek": "https://api.deepseek.com/beta",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "xai": "https://api.x.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "together_ai": "https://api.together.ai/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
}
# Proven by tests/upstream/test_relay_contract.py; whoever is not in here goes through the SDK.
PROVEN = frozenset({*BASES, "hosted_vllm", "local"})

_MAX_ROUTES = 512
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
_AFTER_DONE = 0.25


@dataclass(frozen=True, slots=True)
class Route:
    """All of a call to a deployment that does not depend on the request."""

    url: str
    headers: Mapping[str, str]
    rules: Rules


class Relay:
    """Calls OpenAI-shaped upstreams. `library` gives litellm once it is loaded."""

    def __init__(self, client: Client, library: Callable[[], ModuleType], timeouts: Timeouts) -> None:
        self._client = client
        self._library = library
        self._timeouts = timeouts
        self._routes: dict[Deployment, Route] = {}

    async def whole(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Whole:
        """The whole answer within `within` seconds. Raises `UpstreamError`."""
        try:
            async with asyncio.timeout(within):
                reply = await self._send(deployment, body, False, within, request_id)
                raw = await reply.whole()
        except TimeoutError:
            raise broken("timeout", f"the upstream did not finish within {within:g} s") from None
        return Whole(raw, usage_of(read_answer(raw, secret=deployment.api_key)))

    async def stream(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Streamed:
        """The answer's events. `within` bounds the wait for the head in seconds, `idle` the silence after it."""
        wait = min(within, self._timeouts.first_byte)
        try:
            async with asyncio.timeout(wait):
                reply = await self._send(deployment, body, True, wait, request_id)
                if reply.content_type in {"application/json", "text/html"}:
                    raise not_a_stream(await reply.whole(), secret=deployment.api_key)
        except TimeoutError:
            raise broken("timeout", f"the upstream did not begin within {wait:g} s") from None
        return Streamed(_events(reply, deployment.api_key))

    async def _send(
        self, deployment: Deployment, body: Json, stream: bool, head_timeout: float, request_id: str
    ) -> Reply:
        route = self._routes.get(deployment) or await self._resolve(deployment)
        shaped = apply(route.rules, body, deployment.upstream_model, stream=stream)
        headers = {**route.headers, "x-client-request-id": request_id}
        reply = await self._client.send(Request(route.url, headers, orjson.dumps(shaped), head_timeout))
        return await accepted(reply, secret=deployment.api_key)

    async def _resolve(self, deployment: Deployment) -> Route:
        # Up to a quarter of a second for some classes, so not on the event loop.
        route = await asyncio.to_thread(resolve, self._library(), deployment)
        while len(self._routes) >= _MAX_ROUTES:  # a wildcard deployment brings as many names as callers think of
            self._routes.pop(next(iter(self._routes)))
        self._routes[deployment] = route
        return route


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
    headers = config.validate_environment(
        headers={},
        model=model,
        messages=[],
        optional_params={},
        litellm_params={},
        api_key=deployment.api_key or "none",
        api_base=base,
    )
    return Route(url, _headers(headers, deployment.api_key), derive(config, provider, model, base))


def provider_class(litellm: ModuleType, provider: str, model: str) -> Any:
    """litellm's `BaseConfig` for a provider's chat models."""
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415  # loaded by now

    return ProviderConfigManager.get_provider_chat_config(model=model, provider=litellm.LlmProviders(provider))


def _headers(given: Mapping[str, str], key: str | None) -> dict[str, str]:
    headers = {name.lower(): value for name, value in given.items()}
    if key is None:
        headers.pop("authorization", None)
    return {
        **headers,
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "thriftgate",
    }


async def accepted(reply: Reply, *, secret: str | None) -> Reply:
    """The reply if its status is 200; raises what it says otherwise."""
    if reply.status == 200:
        return reply
    if 200 < reply.status < 300:
        reply.close()
        raise broken("protocol", f"the upstream answered {reply.status}, which carries no chat completion")
    try:
        body = await reply.error_body()
    except UpstreamError:
        body = b""  # the status alone says enough
    raise from_status(reply.status, reply.headers, body, secret=secret)


def read_answer(raw: bytes, *, secret: str | None) -> dict[str, Any]:
    """A whole OpenAI answer as parsed. Raises a protocol fault for what is none: nothing, HTML, broken JSON."""
    if not raw.strip():
        raise broken("protocol", "the upstream answered 200 with nothing")
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        if raw.lstrip()[:1] == b"<":
            raise broken("protocol", "the upstream answered 200 with HTML", retryable=False) from None
        raise broken("protocol", "the upstream answered 200 with broken JSON") from None
    return check_answer(answer, secret=secret)


def not_a_stream(raw: bytes, *, secret: str | None) -> UpstreamError:
    """The error for a whole answer where a stream was asked for: what the answer says, where it says something."""
    try:
        read_answer(raw, secret=secret)
    except UpstreamError as error:
        return error
    return broken("protocol", "the upstream answered a stream with a whole answer", retryable=False)


async def _events(reply: Reply, secret: str | None) -> AsyncGenerator[bytes, None]:
    began = finished = done = False
    try:
        async with aclosing(reply.chunks()) as chunks, aclosing(split(chunks)) as events:
            async for event in events:
                if b'"error"' in event:
                    raise_if_error(event, secret)
                began = began or event[:5] == b"data:"
                finished = finished or _FINISHED.search(event) is not None
                done = event.startswith((b"data: [DONE]", b"data:[DONE]"))
                yield event
                if done:
                    await _let_end(events)
                    return
        if not began:
            raise broken("protocol", "the upstream answered 200 with a stream without events")
        if not finished:
            raise broken("reset", "the upstream's stream ended before the answer did")
    finally:
        reply.close()


async def _let_end(events: AsyncGenerator[bytes, None]) -> None:
    """Reads the end of the body that follows `[DONE]`, so that the connection goes back to the pool."""
    try:
        async with asyncio.timeout(_AFTER_DONE):
            await anext(events, None)
    except (TimeoutError, UpstreamError):
        return  # the answer is complete whatever the connection does now


def raise_if_error(event: bytes, secret: str | None) -> None:
    """Raises the `error` object that an event of a stream carries, if it carries one."""
    try:
        data = orjson.loads(data_of(event))
    except orjson.JSONDecodeError:
        return
    if isinstance(data, dict) and data.get("error"):
        raise in_band(data["error"], secret=secret)
