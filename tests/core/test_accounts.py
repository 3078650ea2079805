"""The money of a call, in a running gateway: reserve, price, record, settle."""

import asyncio
import json
import sqlite3

import aiohttp
import pytest
import yaml

from gateway.testing import running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

BODY = {"model": "small", "messages": [{"role": "user", "content": "Say hello."}]}
COUNTS = Counts(prompt=1000, completion=100)
SMALL = (1000 * 0.1 + 100 * 0.4) / 1e6  # dollars for COUNTS
MIDDLE = (1000 * 1.0 + 100 * 4.0) / 1e6


def budget(limit_usd: float, **fields) -> dict:
    return {"default": {"limit_usd": limit_usd, "period": "total", **fields}}


def status_of(gateway):
    [status] = gateway.gateway.budgets.status()
    return status


async def test_what_a_call_cost_is_charged_and_nothing_stays_held(upstream, ask):
    upstream.reply(text="hello", usage=COUNTS)
    async with running(tiers_yaml(upstream.url, budgets=budget(1.0))) as gateway:
        _, _, record = await ask(gateway, model="small")
        after = status_of(gateway)
    assert record["cost_usd"] == pytest.approx(SMALL)
    assert record["budget"] == "default"
    assert after.spent_usd == pytest.approx(SMALL)
    assert after.reserved_usd == 0.0


async def test_the_worst_case_is_held_while_a_call_runs(upstream, ask):
    upstream.reply(text="hello", usage=COUNTS, delay=0.3)
    async with running(tiers_yaml(upstream.url, budgets=budget(1.0))) as gateway:
        asking = asyncio.ensure_future(ask(gateway, model="small", max_tokens=1000))
        while not upstream.calls:
            await asyncio.sleep(0.01)
        held = status_of(gateway).reserved_usd
        await asking
    assert held >= 1000 * 0.4 / 1e6
    assert held < 1100 * 0.4 / 1e6


async def test_deployments_too_dear_for_the_budget_leave_the_plan(upstream, ask, ladder):
    # 1,000 tokens of answer cost $0.0004, $0.004 and $0.02: the budget covers small and middle.
    text = tiers_yaml(upstream.url, plugins=[ladder], budgets=budget(0.01))
    for _ in range(4):
        upstream.reply(status=400, error={"message": "too long", "code": "context_length_exceeded"})
    async with running(text) as gateway:
        status, _, record = await ask(gateway, max_tokens=1000)
        assert status == 400
        assert [attempt["deployment"] for attempt in record["attempts"]] == ["small", "middle"]
        assert "1 dearer left out" in record["reason"]
        assert status_of(gateway).spent_usd == 0.0


async def test_each_attempt_has_its_price_and_the_call_their_sum(upstream, ask, ladder):
    # Two answers that break off half-way through the body, then one that arrives.
    for _ in range(2):
        upstream.reply(body=b'{"choices": [')
    upstream.reply(text="hello", usage=COUNTS)
    async with running(tiers_yaml(upstream.url, plugins=[ladder], budgets=budget(1.0))) as gateway:
        status, _, record = await ask(gateway)
        assert status_of(gateway).spent_usd == pytest.approx(record["cost_usd"])
    assert status == 200
    first, second, third = record["attempts"]
    assert first["usage"]["estimated"] is True
    assert first["cost_usd"] > 0
    assert first["cost_usd"] == second["cost_usd"]
    assert third["cost_usd"] == pytest.approx(MIDDLE)
    assert record["cost_usd"] == pytest.approx(sum(a["cost_usd"] for a in record["attempts"]))
    assert record["usage"]["input"] == 1000  # of the attempt that answered
    assert (
        record["savings"]["routing"] < record["savings"]["baseline_usd"] - MIDDLE
    )  # failed attempts are charged there


@pytest.mark.parametrize("stream", [False, True])
async def test_a_missing_usage_report_is_estimated_and_said_to_be(upstream, ask, stream):
    upstream.reply(text="word " * 40, usage=None)
    async with running(tiers_yaml(upstream.url)) as gateway:
        _, _, record = await ask(
            gateway, model="small", stream=stream, messages=[{"role": "user", "content": "x" * 380}]
        )
    assert record["usage"]["estimated"] is True
    assert record["usage"]["input"] == 100
    assert record["usage"]["output"] == 50
    assert record["cost_usd"] == pytest.approx((100 * 0.1 + 50 * 0.4) / 1e6)


async def test_what_is_trimmed_is_not_taken_off_an_estimate_twice(upstream, ask):
    """Noise has more tokens than its characters let expect: of what is left nothing must be lost."""
    noise = "\x1b[32mok\x1b[0m\n" * 400
    messages = [
        {"role": "user", "content": "x" * 3_800},
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "run"}}]},
        {"role": "tool", "tool_call_id": "a", "content": noise},
    ]
    upstream.reply(text="word", usage=None)
    async with running(tiers_yaml(upstream.url, plugins=["gateway_reduce"])) as gateway:
        _, _, record = await ask(gateway, model="small", messages=messages)
    sent = sum(len(message["content"]) for message in upstream.calls[0].body["messages"] if "content" in message)
    assert sent < 3_800 + len(noise) / 2
    assert record["usage"]["input"] == pytest.approx(sent / 3.8, abs=5)
    assert record["tokens_before"] > record["tokens_after"] == record["usage"]["input"]


@pytest.mark.parametrize(
    ("fields", "tokens", "price"),
    [
        ({"max_tokens": 1_000}, 1_000, 0.4),
        ({"max_tokens": 60_000}, 60_000, 0.4),
        ({"max_tokens": 1_000, "n": 3}, 3_000, 0.4),
        ({}, 16_384, 0.4),
    ],
    ids=["as asked", "more than is usual", "three answers", "no limit known"],
)
async def test_what_is_held_for_an_answer(upstream, ask, fields, tokens, price):
    config = yaml.safe_load(tiers_yaml(upstream.url, budgets=budget(10.0)))
    del config["tiers"]["weak"]["models"][0]["max_output"]
    assert await held(yaml.safe_dump(config), upstream, ask, model="small", **fields) == pytest.approx(
        tokens * price / 1e6, rel=0.01
    )


async def test_the_dearer_service_tier_is_held_where_the_caller_asks_for_it(upstream, ask):
    config = yaml.safe_load(tiers_yaml(upstream.url, budgets=budget(10.0)))
    config["tiers"]["weak"]["models"][0] |= {"model": "openai/gpt-5"}
    del config["tiers"]["weak"]["models"][0]["price"]
    text = yaml.safe_dump(config)
    standard = await held(text, upstream, ask, model="small", max_tokens=1_000)
    priority = await held(text, upstream, ask, model="small", max_tokens=1_000, service_tier="priority")
    flex = await held(text, upstream, ask, model="small", max_tokens=1_000, service_tier="flex")
    assert standard == pytest.approx(1_000 * 10 / 1e6, rel=0.01)
    assert priority == pytest.approx(2 * standard)
    assert flex == standard  # which serves where there is no room for flex


async def held(text: str, upstream, ask, **body) -> float:
    """Dollars that a call holds while it runs, for one try."""
    config = yaml.safe_load(text)
    config["server"] = {"max_attempts": 1}
    before = len(upstream.calls)
    upstream.reply(text="hello", usage=COUNTS, delay=0.2)
    async with running(yaml.safe_dump(config)) as gateway:
        asking = asyncio.ensure_future(ask(gateway, **body))
        while len(upstream.calls) == before:
            await asyncio.sleep(0.01)
        reserved = status_of(gateway).reserved_usd
        await asking
    return reserved


async def test_cached_tokens_are_priced_as_cached(upstream, ask):
    upstream.reply(text="hello", usage=Counts(prompt=1000, completion=0, cached=600))
    async with running(tiers_yaml(upstream.url)) as gateway:
        _, _, record = await ask(gateway, model="middle")
    assert record["cost_usd"] == pytest.approx((400 * 1.0 + 600 * 0.1) / 1e6)
    assert record["usage"]["cached"] == 600


def unpriced(upstream_url: str, **sections) -> str:
    config = yaml.safe_load(tiers_yaml(upstream_url, **sections))
    model = config["tiers"]["weak"]["models"][0]
    del model["price"]
    model["model"] = "openai/of-a-price-that-nobody-knows"
    return yaml.safe_dump(config)


async def test_an_unknown_price_stays_unknown(upstream, ask):
    async with running(unpriced(upstream.url, budgets=budget(1.0))) as gateway:
        async with aiohttp.ClientSession() as http, http.post(f"{gateway.url}/chat/completions", json=BODY) as got:
            headers = got.headers
        record = await gateway.gateway.ledger.get(headers["x-request-id"])
        after = status_of(gateway)
    assert record["cost_usd"] is None
    assert record["attempts"][0]["cost_usd"] is None
    assert record["price_source"] == "unknown"
    assert record["savings"]["total"] is None
    assert "x-thriftgate-cost-usd" not in headers
    assert "x-thriftgate-saved-usd" not in headers
    assert (after.spent_usd, after.reserved_usd, after.unknown_calls) == (0.0, 0.0, 1)


async def test_a_sum_with_an_unknown_part_is_unknown(upstream, ask, ladder):
    for _ in range(2):
        upstream.reply(body=b"{")
    upstream.reply(text="hello", usage=COUNTS)
    async with running(unpriced(upstream.url, plugins=[ladder])) as gateway:
        _, _, record = await ask(gateway)
    assert [attempt["cost_usd"] for attempt in record["attempts"][:2]] == [None, None]
    assert record["attempts"][2]["cost_usd"] == pytest.approx(MIDDLE)
    assert record["cost_usd"] is None


async def the_record(gateway) -> dict:
    while not (records := await gateway.gateway.ledger.recent()):
        await asyncio.sleep(0.01)
    while gateway.gateway.pipeline.open_calls:  # what is on record is settled a moment later
        await asyncio.sleep(0.01)
    [record] = records
    return record


async def test_a_caller_who_leaves_before_the_first_byte(upstream):
    upstream.reply(text="never", delay=30)
    async with running(tiers_yaml(upstream.url, budgets=budget(1.0))) as gateway:
        async with aiohttp.ClientSession() as http:
            asking = asyncio.ensure_future(http.post(f"{gateway.url}/chat/completions", json=BODY))
            while not upstream.calls:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await upstream.calls[0].closed.wait()
        record = await the_record(gateway)
        after = status_of(gateway)
    assert record["outcome"] == {"phase": "waiting", "kind": "cancelled"}
    assert record["attempts"][0]["result"] == "aborted"
    assert record["attempts"][0]["usage"]["estimated"] is True
    assert record["cost_usd"] > 0
    assert (after.spent_usd, after.reserved_usd) == (pytest.approx(record["cost_usd"]), 0.0)


async def test_a_caller_who_leaves_in_the_middle_of_a_stream(upstream):
    upstream.reply(chunks=tuple("word " for _ in range(200)), gap=0.05)
    async with running(tiers_yaml(upstream.url, budgets=budget(1.0))) as gateway:
        async with aiohttp.ClientSession() as http:
            async with http.post(f"{gateway.url}/chat/completions", json={**BODY, "stream": True}) as got:
                await got.content.readany()
        await upstream.calls[0].closed.wait()
        record = await the_record(gateway)
        after = status_of(gateway)
    assert record["outcome"] == {"phase": "streaming", "kind": "cancelled"}
    assert record["attempts"][0]["result"] == "aborted"
    assert record["usage"]["output"] >= 1
    assert (after.spent_usd, after.reserved_usd) == (pytest.approx(record["cost_usd"]), 0.0)


async def test_a_caller_who_leaves_while_a_retry_waits_is_on_record(upstream):
    upstream.reply(status=503, headers={"retry-after": "8"})
    async with running(tiers_yaml(upstream.url, budgets=budget(1.0))) as gateway:
        async with aiohttp.ClientSession() as http:
            asking = asyncio.ensure_future(http.post(f"{gateway.url}/chat/completions", json=BODY))
            while not upstream.calls:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        record = await the_record(gateway)
        after = status_of(gateway)
    assert record["outcome"] == {"phase": "waiting", "kind": "cancelled"}
    assert record["cost_usd"] == 0.0
    assert after.reserved_usd == 0.0
    assert len(upstream.calls) == 1


def ruin(ledger) -> None:
    """Another process takes the table out of the ledger's file."""
    other = sqlite3.connect(ledger)
    other.execute("DROP TABLE calls")
    other.close()


async def test_what_cannot_be_put_on_record_is_not_acknowledged(upstream, tmp_path):
    file = tmp_path / "ledger.db"
    text = tiers_yaml(upstream.url, budgets=budget(1.0), ledger={"url": f"sqlite:///{file}"})
    async with running(text) as gateway, aiohttp.ClientSession() as http:
        ruin(file)
        upstream.reply(text="hello", usage=COUNTS)
        async with http.post(f"{gateway.url}/chat/completions", json=BODY) as got:
            answer = await got.json()
        after = status_of(gateway)
    assert got.status == 503
    assert answer["error"]["code"] == "ledger_unavailable"
    assert int(got.headers["retry-after"]) >= 1
    assert "hello" not in json.dumps(answer)
    # It was spent all the same, and nothing stays held.
    assert after.spent_usd == pytest.approx(SMALL)
    assert after.reserved_usd == 0.0


async def test_a_session_learns_from_what_was_measured(upstream, ask):
    upstream.reply(text="hello", usage=Counts(prompt=6000, completion=60))
    body = {"model": "small", "messages": [{"role": "user", "content": "x" * 20_000}], "prompt_cache_key": "s"}
    async with running(tiers_yaml(upstream.url)) as gateway:
        await ask(gateway, **body)
        async with ask.http.post(f"{gateway.url}/explain", json=body) as got:
            decision = await got.json()
    assert decision["session"] == "anonymous/s"
    assert decision["prompt"]["tokens"] == 6000


async def test_a_session_learns_nothing_from_a_failure(upstream, ask):
    upstream.reply(status=400, error={"message": "no"})
    body = {"model": "small", "messages": [{"role": "user", "content": "x" * 380}], "prompt_cache_key": "s"}
    async with running(tiers_yaml(upstream.url)) as gateway:
        await ask(gateway, **body)
        async with ask.http.post(f"{gateway.url}/explain", json=body) as got:
            assert (await got.json())["prompt"]["tokens"] == 100
