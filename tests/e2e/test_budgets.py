"""Budgets, end to end: what is left decides where a request goes, and at the end nothing dear goes out."""

import asyncio

import openai
import pytest
import yaml
from openai import AsyncOpenAI

from gateway.testing import ENV, Running, running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

HELLO = [{"role": "user", "content": "Say hello."}]
PLUGINS = ["gateway_complexity", "gateway_tiers"]


def client(gateway: Running, key: str = "any") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=gateway.url, api_key=key, max_retries=0)


def budgets(limit_usd: float, **fields) -> dict:
    return {"default": {"limit_usd": limit_usd, "period": "total", **fields}}


def status_of(gateway: Running):
    [status] = gateway.gateway.budgets.status()
    return status


async def tier_of(asking: AsyncOpenAI, **how) -> tuple[str, str]:
    """The tier that answered one more request of a new session, and the reason."""
    raw = await asking.chat.completions.with_raw_response.create(
        model="auto", messages=HELLO, max_tokens=10, prompt_cache_key=how.pop("session"), **how
    )
    return raw.headers["x-thriftgate-tier"], raw.headers["x-thriftgate-reason"]


async def test_a_shrinking_budget_sends_the_same_request_to_a_cheaper_tier(upstream):
    async with running(tiers_yaml(upstream.url, plugins=PLUGINS, budgets=budgets(1.0))) as gateway:
        async with client(gateway) as asking:
            # A third of the budget is left, then a twentieth; each reply is billed at the tier's own price.
            tier, _ = await tier_of(asking, session="full")
            assert tier == "base"
            upstream.reply(text="x", usage=Counts(prompt=950_000, completion=0))
            tier, _ = await tier_of(asking, session="spends")
            assert tier == "base"
            assert 0.02 < 1 - status_of(gateway).spent_usd < 0.06
            tier, reason = await tier_of(asking, session="nearly empty")
    assert tier == "weak"
    assert "of the budget left" in reason
    assert upstream.calls[-1].body["model"] == "small-1"


async def test_a_used_up_budget_is_refused_and_nobody_is_called(upstream):
    async with running(tiers_yaml(upstream.url, plugins=PLUGINS, budgets=budgets(0.5))) as gateway:
        async with client(gateway) as asking:
            upstream.reply(text="x", usage=Counts(prompt=600_000, completion=0))
            await tier_of(asking, session="spends")
            for model in ("auto", "weak", "small", "large"):
                with pytest.raises(openai.RateLimitError) as caught:
                    await asking.chat.completions.create(model=model, messages=HELLO)
                assert caught.value.code == "insufficient_quota"
                assert caught.value.response.headers["x-should-retry"] == "false"
                assert "default" in caught.value.message
        assert status_of(gateway).spent_usd == pytest.approx(0.6)
        records = await gateway.gateway.ledger.recent()
    assert len(upstream.calls) == 1
    assert [record["outcome"]["kind"] for record in records] == ["refused"] * 4 + ["completed"]
    assert [record["cost_usd"] for record in records[:4]] == [0] * 4


def with_a_free_model(upstream_url: str, **sections) -> str:
    config = yaml.safe_load(tiers_yaml(upstream_url, plugins=PLUGINS, **sections))
    small = config["tiers"]["weak"]["models"][0]
    free = {**small, "name": "free", "model": "openai/free-1", "price": {"input": 0, "output": 0}}
    config["tiers"]["weak"]["models"].append(free)
    return yaml.safe_dump(config)


@pytest.mark.parametrize("model", ["auto", "strong", "large"])
async def test_a_used_up_budget_may_go_on_with_free_models(upstream, model):
    text = with_a_free_model(upstream.url, budgets=budgets(0.5, on_exhausted="free_only"))
    async with running(text) as gateway, client(gateway) as asking:
        upstream.reply(text="x", usage=Counts(prompt=600_000, completion=0))
        await tier_of(asking, session="spends")
        await asking.chat.completions.create(model=model, messages=HELLO)
        assert upstream.calls[-1].body["model"] == "free-1"
        assert status_of(gateway).spent_usd == pytest.approx(0.6)


async def test_without_a_free_model_that_ends_in_a_429_too(upstream):
    text = tiers_yaml(upstream.url, plugins=PLUGINS, budgets=budgets(0.5, on_exhausted="free_only"))
    async with running(text) as gateway, client(gateway) as asking:
        upstream.reply(text="x", usage=Counts(prompt=600_000, completion=0))
        await tier_of(asking, session="spends")
        with pytest.raises(openai.RateLimitError):
            await asking.chat.completions.create(model="auto", messages=HELLO)


async def test_twenty_at_once_never_overrun(upstream):
    # Each may cost $0.0004 and a little for the prompt: the budget holds five of them.
    limit = 0.00205
    for _ in range(20):
        upstream.reply(text="x", usage=Counts(prompt=1, completion=1000), delay=0.05)
    async with running(tiers_yaml(upstream.url, budgets=budgets(limit))) as gateway, client(gateway) as asking:

        async def one() -> str:
            try:
                await asking.chat.completions.create(model="small", messages=HELLO, max_tokens=1000)
            except openai.RateLimitError as refused:
                return str(refused.code)
            status = status_of(gateway)
            assert status.spent_usd + status.reserved_usd <= limit
            return "answered"

        ends = await asyncio.gather(*(one() for _ in range(20)))
        status = status_of(gateway)
    assert ends.count("answered") == len(upstream.calls) == 5
    assert ends.count("insufficient_quota") == 15
    assert status.spent_usd <= limit
    assert status.reserved_usd == 0.0


@pytest.mark.parametrize("stream", [False, True])
async def test_two_hundred_at_once_on_a_budget_for_ten(upstream, stream):
    limit = 0.0041  # each may cost $0.0004 and a little
    for _ in range(200):
        upstream.reply(text="x", usage=Counts(prompt=1, completion=1000), delay=0.05)
    async with running(tiers_yaml(upstream.url, budgets=budgets(limit))) as gateway, client(gateway) as asking:

        async def one() -> str:
            try:
                got = await asking.chat.completions.create(
                    model="small", messages=HELLO, max_tokens=1000, stream=stream
                )
                if stream:
                    async for _ in got:
                        assert status_of(gateway).spent_usd <= limit
            except openai.RateLimitError as refused:
                return str(refused.code)
            return "answered"

        ends = await asyncio.gather(*(one() for _ in range(200)))
        status = status_of(gateway)
        totals = await gateway.gateway.ledger.totals(0)
    assert ends.count("answered") == len(upstream.calls) == totals.completed == 10
    assert ends.count("insufficient_quota") == 190
    assert totals.calls == 200
    assert status.spent_usd == pytest.approx(totals.cost_usd)
    assert status.spent_usd <= limit
    assert status.reserved_usd == 0.0


async def test_each_key_draws_on_its_own_budget(upstream):
    text = tiers_yaml(
        upstream.url,
        budgets={**budgets(1.0), "poor": {"limit_usd": 0.0, "period": "day"}},
        keys=[{"name": "ann", "key": "${ANN}"}, {"name": "bob", "key": "${BOB}", "budget": "poor"}],
    )
    async with running(text, env={**ENV, "ANN": "sk-ann", "BOB": "sk-bob"}) as gateway:
        async with client(gateway, "sk-ann") as ann, client(gateway, "sk-bob") as bob:
            await ann.chat.completions.create(model="small", messages=HELLO)
            with pytest.raises(openai.RateLimitError, match="poor"):
                await bob.chat.completions.create(model="small", messages=HELLO)
            await ann.chat.completions.create(model="small", messages=HELLO)
        budgets_charged = [record["budget"] for record in await gateway.gateway.ledger.recent()]
    assert budgets_charged == ["default", "poor", "default"]


async def test_a_new_day_has_a_new_budget_and_a_restart_keeps_the_old_one(upstream, tmp_path):
    now = [1_700_000_000.0]
    text = tiers_yaml(
        upstream.url,
        budgets={"default": {"limit_usd": 0.01, "period": "day"}},
        ledger={"url": f"sqlite:///{tmp_path}/ledger.db"},
    )
    upstream.reply(text="x", usage=Counts(prompt=200_000, completion=0))  # $0.02
    async with running(text, clock=lambda: now[0]) as gateway, client(gateway) as asking:
        await asking.chat.completions.create(model="small", messages=HELLO, max_tokens=10)
    async with running(text, clock=lambda: now[0]) as gateway, client(gateway) as asking:
        assert status_of(gateway).spent_usd == pytest.approx(0.02)
        with pytest.raises(openai.RateLimitError, match="renews"):
            await asking.chat.completions.create(model="small", messages=HELLO, max_tokens=10)
        now[0] += 24 * 3600
        await asking.chat.completions.create(model="small", messages=HELLO, max_tokens=10)
