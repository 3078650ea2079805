"""One gateway-side `Upstreams` per test over litellm, which is imported once per process."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.api import Deployment, Json, Tier
from gateway.upstream import Streamed, Timeouts, Upstreams, Whole
from gateway.upstream.library import load, warm
from gateway.upstream.scripted import ScriptedUpstream

HELLO: Json = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


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
