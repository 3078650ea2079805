from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from gateway.testing import Running, ScriptedUpstream, running, tiers_yaml

SHIPPED = ["gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"]


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream) -> AsyncIterator[Running]:
    """The gateway as shipped, in this process, with the scripted upstream behind its three deployments."""
    async with running(tiers_yaml(upstream.url, plugins=SHIPPED)) as gateway:
        yield gateway


@pytest.fixture
async def bare(upstream) -> AsyncIterator[Running]:
    """The gateway without a single plugin."""
    async with running(tiers_yaml(upstream.url)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=gateway.url, api_key="sk-any", max_retries=0) as client:
        yield client
