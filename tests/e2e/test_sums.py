"""After a mixed day the metrics and the ledger tell the same sums."""

import asyncio
import random
from collections import Counter

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.testing import ScriptedUpstream, running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts, Reply

SHIPPED = ["gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"]
CALLS = 150


def moods(draw: random.Random):
    """Now well, now ill; now with a report of its tokens, now without."""

    def answer(_body) -> Reply:
        mood, tokens = draw.random(), draw.randint(1, 3000)
        if mood < 0.1:
            return Reply(status=draw.choice([400, 429, 500, 503]))
        if mood < 0.2:
            return Reply(body=b'{"choices": [')
        if mood < 0.3:
            return Reply(text="a b c d e f", cut_after=3)
        usage = None if mood < 0.4 else Counts(tokens + 50, tokens, cached=draw.choice([0, tokens // 2]))
        return Reply(text="a b c", usage=usage)

    return answer


def config(url: str) -> str:
    text = yaml.safe_load(tiers_yaml(url, plugins=SHIPPED))
    text["tiers"]["base"]["models"].append({"name": "unpriced", "model": "hosted_vllm/nobody-knows", "api_base": url})
    return yaml.safe_dump(text)


async def test_metrics_and_ledger_agree_after_a_mixed_load():
    draw = random.Random(1)  # noqa: S311  # varied load, no secret
    noise = "\x1b[32mok\x1b[0m\n" * 50
    async with (
        ScriptedUpstream(moods(draw)) as upstream,
        running(config(upstream.url)) as gateway,
        aiohttp.ClientSession() as http,
    ):

        async def ask(number: int) -> None:
            body = {
                "model": draw.choice(["small", "middle", "large", "auto", "unpriced", "gpt-4o"]),
                "stream": draw.random() < 0.5,
                "prompt_cache_key": str(number % 20),
                "messages": [
                    {"role": "user", "content": f"Task {number % 20}"},
                    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "run"}}]},
                    {"role": "tool", "tool_call_id": "a", "content": noise},
                ],
            }
            async with http.post(f"{gateway.url}/chat/completions", json=body) as got:
                await got.read()

        for start in range(0, CALLS, 15):
            await asyncio.gather(*(ask(start + number) for number in range(15)))
        await gateway.gateway.settle()
        async with http.get(f"{gateway.root}/metrics") as got:
            text = await got.text()
        totals = await gateway.gateway.ledger.totals(0)
        records = await gateway.gateway.ledger.recent(CALLS)

    sums: Counter = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value
            for value in sample.labels.values():
                sums[sample.name, value] += sample.value
    attempts = [attempt for record in records for attempt in record["attempts"]]

    assert sums["thriftgate_requests_total"] == totals.calls == CALLS
    assert sums["thriftgate_requests_total", "completed"] == totals.completed > CALLS / 2
    assert sums["thriftgate_cost_usd_total"] == pytest.approx(sum(attempt["cost_usd"] or 0 for attempt in attempts))
    assert sums["thriftgate_cost_unknown_total"] == sum(attempt["cost_usd"] is None for attempt in attempts) > 0
    assert totals.cost_usd == pytest.approx(sum(record["cost_usd"] or 0 for record in records))
    for cause in ("routing", "context", "cache"):
        net = sums["thriftgate_savings_usd_total", cause] - sums["thriftgate_losses_usd_total", cause]
        assert net == pytest.approx(getattr(totals, f"saved_{cause}_usd"))
        assert net != 0
    for kind in ("input", "output", "cached"):
        counted = sum((attempt["usage"] or {}).get(kind, 0) for attempt in attempts)
        assert sums["thriftgate_tokens_total", kind] == counted > 0
    spent = [record for record in records if None not in (record["savings"]["total"], record["cost_usd"])]
    for record in spent:
        told = record["savings"]
        assert told["total"] == pytest.approx(told["baseline_usd"] - record["cost_usd"], abs=1e-9)
        assert all(usage["input"] > 0 for attempt in record["attempts"] if (usage := attempt["usage"]))
    assert len(spent) > CALLS / 3
