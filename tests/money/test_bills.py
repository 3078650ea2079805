"""Bills of the providers, worked out by hand from their price lists, through the real gateway: the record, the header,
the metric and the ledger's sum must all say the same.

Each bill is (what is reported, dollars per million times tokens); `None` is a bill that nobody can know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.testing import Running, ScriptedUpstream, running
from gateway.upstream.scripted_dialects import Counts

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]

MODELS = {  # deployment: litellm's name, and what else its entry says
    "gpt-4o": "openai/gpt-4o",
    "gpt-4.1": "openai/gpt-4.1",
    "gpt-5": "openai/gpt-5",
    "gpt-5-mini": "openai/gpt-5-mini",
    "gpt-5.4": "openai/gpt-5.4",
    "gpt-5.6": "openai/gpt-5.6",
    "gpt-audio": "openai/gpt-audio",
    "search": "openai/gpt-4o-search-preview",
    "sonar": "perplexity/sonar-pro",
    "sonnet": "anthropic/claude-sonnet-4-5",
    "opus": "anthropic/claude-opus-4-5",
    "opus-5": "anthropic/claude-opus-5",
    "haiku": "anthropic/claude-haiku-5-5",
    "sonnet-at-a-reseller": "openrouter/anthropic/claude-sonnet-4.5",
    "gemini-pro": "gemini/gemini-2.5-pro",
    "gemini-flash": "gemini/gemini-2.5-flash",
    "deepseek": "deepseek/deepseek-chat",
    "deepseek-v4": "deepseek/deepseek-v4-pro",
    "grok": "xai/grok-4.3",
    "groq": "groq/openai/gpt-oss-120b",
    "mistral": "mistral/mistral-large-latest",
    "own": "hosted_vllm/qwen3-8b",
    "nobody-knows": "hosted_vllm/nobody-knows",
    "gpt-5-by-sdk": "openai/gpt-5",
    "sonnet-by-sdk": "anthropic/claude-sonnet-4-5",
    "gemini-by-sdk": "gemini/gemini-2.5-pro",
}
PRICES = {
    "own": {"input": 0, "output": 0},
    "sonnet-at-a-reseller": {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75},
}


def tiers(upstream: ScriptedUpstream) -> str:
    models = []
    for name, model in MODELS.items():
        base = {"anthropic": upstream.root, "gemini": f"{upstream.root}/v1beta"}.get(model.split("/")[0], upstream.url)
        entry: Json = {"name": name, "model": model, "api_key": "${KEY}", "api_base": base}
        if name in PRICES:
            entry["price"] = PRICES[name]
        if name.endswith("-by-sdk") or name == "sonar":
            entry["transport"] = "sdk"
        models.append(entry)
    return yaml.safe_dump({"tiers": {"base": {"models": models}}, "plugins": ["gateway_prometheus"]})


def openai(prompt: int, completion: int, *, tier: str | None = None, **beside: Any) -> Json:
    """An answer with a usage of these totals; what is `beside` goes into the usage as it is."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **beside}
    return {"usage": usage, "service_tier": tier}


def cached(tokens: int, written: int = 0) -> Json:
    return {"prompt_tokens_details": {"cached_tokens": tokens, "cache_write_tokens": written}}


def reasoned(tokens: int) -> Json:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


def gemini(prompt: int, candidates: int, **beside: Any) -> Json:
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": prompt + candidates}
    return {"usageMetadata": {**counts, **beside}}


def anthropic(plain: int, output: int, *, read: int = 0, short: int = 0, hour: int = 0, **beside: Any) -> Json:
    return {
        "usage": {
            "input_tokens": plain,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": short + hour,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
            "output_tokens": output,
            **beside,
        }
    }


HIT = {"prompt_cache_hit_tokens": 8_000, "prompt_cache_miss_tokens": 2_000}
SPOKEN = {
    "prompt_tokens_details": {"audio_tokens": 400, "text_tokens": 100, "cached_tokens": 0},
    "completion_tokens_details": {"audio_tokens": 300, "text_tokens": 50, "reasoning_tokens": 0},
}
HEARD = {
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200}, {"modality": "AUDIO", "tokenCount": 1_800}],
}
SEEN = {
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200}, {"modality": "IMAGE", "tokenCount": 258}],
}

BILLS: list[tuple[str, str, Json, float | None]] = [
    # OpenAI: cached tokens at a half, a quarter, a tenth; reasoning is part of the completion.
    ("plain", "gpt-4o", openai(1_000, 500), 1_000 * 2.5 + 500 * 10),
    ("cached at a half", "gpt-4o", openai(2_006, 300, **cached(1_920)), 86 * 2.5 + 1_920 * 1.25 + 300 * 10),
    ("cached at a quarter", "gpt-4.1", openai(9_000, 10, **cached(8_960)), 40 * 2 + 8_960 * 0.5 + 10 * 8),
    (
        "cached at a tenth",
        "gpt-5",
        openai(10_000, 1_500, **cached(8_064), **reasoned(1_024)),
        1_936 * 1.25 + 8_064 * 0.125 + 1_500 * 10,
    ),
    ("all of it cached", "gpt-5", openai(2_048, 1, **cached(2_048)), 2_048 * 0.125 + 10),
    ("reasoning alone", "gpt-5", openai(20, 640, **reasoned(640)), 20 * 1.25 + 640 * 10),
    ("flex", "gpt-5", openai(10_000, 100, tier="flex", **cached(8_000)), 2_000 * 0.625 + 8_000 * 0.0625 + 100 * 5),
    ("priority", "gpt-5", openai(10_000, 100, tier="priority", **cached(8_000)), 2_000 * 2.5 + 8_000 * 0.25 + 2_000),
    ("default tier", "gpt-5", openai(10_000, 100, tier="default"), 10_000 * 1.25 + 100 * 10),
    ("priority of its own rates", "gpt-5-mini", openai(1_000, 100, tier="priority"), 1_000 * 0.45 + 100 * 3.6),
    ("up to the mark", "gpt-5.4", openai(272_000, 1_000), 272_000 * 2.5 + 1_000 * 15),
    (
        "beyond the mark",
        "gpt-5.4",
        openai(300_000, 1_000, **cached(250_000)),
        50_000 * 5 + 250_000 * 0.5 + 1_000 * 22.5,
    ),
    ("flex beyond the mark", "gpt-5.4", openai(300_000, 1_000, tier="flex"), 300_000 * 2.5 + 1_000 * 11.25),
    (
        "cache writes",
        "gpt-5.6",
        openai(10_000, 100, **cached(6_000, 3_000)),
        1_000 * 4 + 6_000 * 0.4 + 3_000 * 5 + 100 * 20,
    ),
    ("speech", "gpt-audio", openai(500, 350, **SPOKEN), 100 * 2.5 + 400 * 32 + 50 * 10 + 300 * 64),
    ("an image", "gpt-4o", openai(1_105, 20, prompt_tokens_details={"image_tokens": 1_000}), 1_105 * 2.5 + 20 * 10),
    ("a search with a fee", "search", openai(50, 200), None),
    ("a fee for each request", "sonar", openai(50, 200), None),
    # Anthropic: 1.25 times for five minutes, twice for an hour, a tenth for reads.
    ("plain", "sonnet", anthropic(1_000, 500), 1_000 * 3 + 500 * 15),
    ("five minutes", "sonnet", anthropic(50, 200, short=9_950), 50 * 3 + 9_950 * 3.75 + 200 * 15),
    ("an hour", "sonnet", anthropic(50, 200, hour=9_950), 50 * 3 + 9_950 * 6 + 200 * 15),
    ("read", "sonnet", anthropic(50, 200, read=9_950), 50 * 3 + 9_950 * 0.3 + 200 * 15),
    (
        "read and both writes",
        "opus",
        anthropic(10, 300, read=80_000, short=1_500, hour=2_500),
        10 * 5 + 80_000 * 0.5 + 1_500 * 6.25 + 2_500 * 10 + 300 * 25,
    ),
    ("no step at 200,000", "sonnet", anthropic(300_000, 100), 300_000 * 3 + 100 * 15),
    (
        "a step at 100,000, cached ones counted",
        "haiku",
        anthropic(1_000, 100, read=99_500, hour=1_000),
        1_000 * 0.5 + 99_500 * 0.05 + 1_000 * 1 + 100 * 2.5,
    ),
    ("up to the step", "haiku", anthropic(500, 100, read=99_500), 500 * 0.1 + 99_500 * 0.01 + 100 * 0.5),
    # One who hands on Anthropic's own counting, where the prompt has neither reads nor writes in it.
    (
        "prompt without its cached part",
        "sonnet-at-a-reseller",
        openai(50, 200, cache_read_input_tokens=9_000, cache_creation_input_tokens=950),
        50 * 3 + 9_000 * 0.3 + 950 * 3.75 + 200 * 15,
    ),
    (
        "prompt with its cached part",
        "sonnet-at-a-reseller",
        openai(10_000, 200, cache_read_input_tokens=9_000, cache_creation_input_tokens=950),
        50 * 3 + 9_000 * 0.3 + 950 * 3.75 + 200 * 15,
    ),
    # Gemini: thoughts stand beside the candidates and are billed as output.
    ("plain", "gemini-pro", gemini(1_000, 500), 1_000 * 1.25 + 500 * 10),
    (
        "thoughts",
        "gemini-pro",
        gemini(1_000, 500, thoughtsTokenCount=2_000, totalTokenCount=3_500),
        1_000 * 1.25 + 2_500 * 10,
    ),
    (
        "cached",
        "gemini-pro",
        gemini(10_000, 100, cachedContentTokenCount=8_000),
        2_000 * 1.25 + 8_000 * 0.125 + 100 * 10,
    ),
    ("up to the step", "gemini-pro", gemini(200_000, 100), 200_000 * 1.25 + 100 * 10),
    (
        "beyond the step",
        "gemini-pro",
        gemini(200_001, 100, cachedContentTokenCount=150_000),
        50_001 * 2.5 + 150_000 * 0.25 + 100 * 15,
    ),
    ("recordings", "gemini-flash", gemini(2_000, 100, **HEARD), 200 * 0.3 + 1_800 * 1 + 100 * 2.5),
    ("a picture", "gemini-flash", gemini(458, 100, **SEEN), 458 * 0.3 + 100 * 2.5),
    ("lite thoughts", "gemini-flash", gemini(10, 5, thoughtsTokenCount=300, totalTokenCount=315), 3 + 305 * 2.5),
    # DeepSeek: hit and miss; half the price off-peak (the test's clock stands on a Sunday).
    ("hit and miss", "deepseek", openai(10_000, 400, **HIT), 2_000 * 0.28 + 8_000 * 0.028 + 400 * 0.42),
    ("off-peak", "deepseek-v4", openai(10_000, 400, **HIT), 2_000 * 0.66 + 8_000 * 0.022 + 400 * 1.98),
    # xAI counts reasoning apart, and takes the higher rate from the mark itself on.
    (
        "reasoning apart",
        "grok",
        openai(1_000, 50, **reasoned(900)) | {"usage": openai(1_000, 50, **reasoned(900), total_tokens=1_950)["usage"]},
        1_000 * 1.25 + 950 * 2.5,
    ),
    ("at the mark", "grok", openai(200_000, 50, **cached(190_000)), 10_000 * 2.5 + 190_000 * 0.4 + 50 * 5),
    ("below the mark", "grok", openai(199_999, 50), 199_999 * 1.25 + 50 * 2.5),
    ("cached", "groq", openai(4_000, 200, **cached(3_000)), 1_000 * 0.15 + 3_000 * 0.075 + 200 * 0.6),
    ("cached", "mistral", openai(4_000, 200, **cached(3_000)), 1_000 * 0.5 + 3_000 * 0.05 + 200 * 1.5),
    ("free", "own", openai(4_000, 200), 0),
    ("no price", "nobody-knows", openai(4_000, 200), None),
    # The SDK lane
    (
        "cached, reasoning",
        "gpt-5-by-sdk",
        openai(10_000, 1_500, **cached(8_064), **reasoned(1_024)),
        1_936 * 1.25 + 8_064 * 0.125 + 1_500 * 10,
    ),
    ("flex", "gpt-5-by-sdk", openai(1_000, 100, tier="flex"), 1_000 * 0.625 + 100 * 5),
    (
        "read and both writes",
        "sonnet-by-sdk",
        anthropic(10, 300, read=8_000, short=1_500, hour=2_500),
        10 * 3 + 8_000 * 0.3 + 1_500 * 3.75 + 2_500 * 6 + 300 * 15,
    ),
    (
        "thoughts, cached",
        "gemini-by-sdk",
        gemini(10_000, 100, cachedContentTokenCount=8_000, thoughtsTokenCount=900, totalTokenCount=11_000),
        2_000 * 1.25 + 8_000 * 0.125 + 1_000 * 10,
    ),
]
STREAMED: list[tuple[str, Counts, float]] = [
    ("gpt-5", Counts(10_000, 1_500, cached=8_064, reasoning=1_024), 1_936 * 1.25 + 8_064 * 0.125 + 1_500 * 10),
    (
        "sonnet",
        Counts(10_000, 300, cached=6_000, cache_write=3_900, cache_write_1h=3_900),
        100 * 3 + 6_000 * 0.3 + 3_900 * 6 + 300 * 15,
    ),
    ("gemini-pro", Counts(10_000, 900, cached=8_000, reasoning=600), 2_000 * 1.25 + 8_000 * 0.125 + 900 * 10),
    ("groq", Counts(4_000, 200, cached=3_000), 1_000 * 0.15 + 3_000 * 0.075 + 200 * 0.6),
    ("gpt-5-by-sdk", Counts(10_000, 1_500, cached=8_064), 1_936 * 1.25 + 8_064 * 0.125 + 1_500 * 10),
    (
        "sonnet-by-sdk",
        Counts(10_000, 300, cached=6_000, cache_write=3_900),
        100 * 3 + 6_000 * 0.3 + 3_900 * 3.75 + 300 * 15,
    ),
    ("gemini-by-sdk", Counts(10_000, 900, cached=8_000, reasoning=600), 2_000 * 1.25 + 8_000 * 0.125 + 900 * 10),
]
SUNDAY = datetime(2026, 3, 1, 8, 0, tzinfo=UTC).timestamp()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    """One for all: each bill is told by what it adds."""
    async with running(tiers(upstream), env={"KEY": "sk-scripted"}, clock=lambda: SUNDAY) as gateway:
        yield gateway


def answer(told: Json) -> bytes:
    """A whole answer in the dialect of its usage."""
    if "usageMetadata" in told:
        candidate = {"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP", "index": 0}
        return orjson.dumps({"candidates": [candidate], "modelVersion": "scripted", **told})
    if "input_tokens" in told["usage"]:
        text = [{"type": "text", "text": "hi"}]
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
        return orjson.dumps({**head, "content": text, "stop_reason": "end_turn", **told})
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m"}
    return orjson.dumps({**head, "choices": [choice], **{name: what for name, what in told.items() if what}})


async def sums(gateway: Running, http: aiohttp.ClientSession, deployment: str) -> tuple[float, float, float, int]:
    """Dollars in the metric and in the ledger, and how many calls of unknown cost each has counted."""
    async with http.get(f"{gateway.root}/metrics") as got:
        families = list(text_string_to_metric_families(await got.text()))

    def counted(name: str) -> float:
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and sample.labels["deployment"] == deployment
        )

    totals = await gateway.gateway.ledger.totals(0)
    unknown = counted("thriftgate_cost_unknown_total")
    return counted("thriftgate_cost_usd_total"), unknown, totals.cost_usd, totals.unknown_cost


async def agree(gateway: Running, deployment: str, dollars: float | None, *, stream: bool = False) -> None:
    body = {"model": deployment, "messages": [{"role": "user", "content": "Say hi."}], "stream": stream}
    async with aiohttp.ClientSession() as http:
        before = await sums(gateway, http, deployment)
        async with http.post(f"{gateway.url}/chat/completions", json=body) as got:
            assert got.status == 200, await got.text()
            await got.read()
        async with http.get(f"{gateway.url}/requests/{got.headers['x-request-id']}") as told:
            record = await told.json()
        await gateway.gateway.settle()
        after = await sums(gateway, http, deployment)
    metric, unknown_metric, ledger, unknown_ledger = (b - a for a, b in zip(before, after, strict=True))
    header = got.headers.get("x-thriftgate-cost-usd")
    if dollars is None:
        assert record["cost_usd"] is None
        assert header is None
        assert (metric, ledger, unknown_metric, unknown_ledger) == (0, 0, 1, 1)
        return
    exactly = pytest.approx(dollars / 1e6, abs=1e-9, rel=0)
    assert record["cost_usd"] == exactly
    assert stream or float(header or "nan") == exactly
    assert (metric, ledger) == (exactly, exactly)
    assert (unknown_metric, unknown_ledger) == (0, 0)


@pytest.mark.parametrize(
    ("deployment", "told", "dollars"),
    [pytest.param(*bill, id=f"{bill[0]}: {what}") for what, *bill in BILLS],
)
async def test_a_bill(
    gateway: Running, upstream: ScriptedUpstream, deployment: str, told: Json, dollars: float | None
) -> None:
    upstream.forget()
    upstream.reply(body=answer(told))
    await agree(gateway, deployment, dollars)


@pytest.mark.parametrize(("deployment", "counts", "dollars"), STREAMED, ids=[bill[0] for bill in STREAMED])
async def test_a_streamed_bill(
    gateway: Running, upstream: ScriptedUpstream, deployment: str, counts: Counts, dollars: float
) -> None:
    upstream.forget()
    upstream.reply(text="hi there", usage=counts)
    await agree(gateway, deployment, dollars, stream=True)
