"""The shipped configuration on a machine without any key: the real local model answers."""

import os
import tomllib
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from gateway.config import shipped
from gateway.testing import running
from gateway.upstream import local_available

WHY_NOT = local_available()
pytestmark = [pytest.mark.local_model, pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")]
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def text() -> str:
    return shipped().read_text(encoding="utf-8")


@pytest.fixture
def env() -> dict[str, str]:
    """No provider's key, and a harmless rest."""
    return {"PATH": os.environ.get("PATH", "")}


async def test_it_answers_chat_and_stream_for_nothing(text, env):
    async with running(text, env=env) as gateway:
        [serving] = gateway.gateway.deployments.active
        assert serving.provider == "local"
        async with AsyncOpenAI(base_url=gateway.url, api_key="any", max_retries=0, timeout=110) as client:
            raw = await client.chat.completions.with_raw_response.create(
                model="auto", messages=FRANCE, max_tokens=16, temperature=0
            )
            answer = raw.parse()
            assert answer.choices[0].message.content.strip()
            assert 0 < answer.usage.completion_tokens <= 16
            assert raw.headers["x-thriftgate-model"] == serving.name
            assert raw.headers["x-thriftgate-cost-usd"] == "0"
            assert "x-thriftgate-saved-usd" not in raw.headers  # nobody else could have served: nothing was saved

            stream = await client.chat.completions.create(
                model="gpt-4o",
                messages=FRANCE,
                max_tokens=16,
                temperature=0,
                stream=True,
                stream_options={"include_usage": True},
            )
            said, usage = "", None
            async for chunk in stream:
                said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                usage = chunk.usage or usage
            assert said.strip()
            assert usage.prompt_tokens > 0
        records = await gateway.gateway.ledger.recent()
    assert [record["outcome"]["kind"] for record in records] == ["completed", "completed"]
    assert {record["cost_usd"] for record in records} == {0.0}
    assert not any(record["usage"]["estimated"] for record in records)


async def test_with_a_key_it_stands_by(text):
    async with running(text, env={"GROQ_API_KEY": "gsk-x"}, wait=False) as gateway:
        assert [deployment.provider for deployment in gateway.gateway.deployments.active] == ["groq"]
        [local] = [d for d in gateway.gateway.deployments.all if d.provider == "local"]
    assert "stands by" in local.inactive


def test_the_extra_that_brings_it_is_declared():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert any(name.startswith("xllamacpp") for name in project["project"]["optional-dependencies"]["local"])
