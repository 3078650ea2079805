"""Whether the savings that are claimed are true: whole agent sessions through the gateway, and the same sessions as
they were asked for, on the model asked for and untrimmed.

    python -m bench.savings [--turns 20]

Both run through real gateways to an upstream that keeps a prompt cache as its provider does: OpenAI and Gemini by
themselves, the longest common beginning from 1,024 tokens on; Anthropic up to what `cache_control` marks. The true
saving is the difference of the two bills, the claimed one is the sum over the records. Where more is claimed than
was saved, the error is positive.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import yaml

from bench.savings.provider import Provider
from bench.savings.sessions import MODELS, PATIENCE, SCENARIOS, TOOLS, Json, Scenario, marked, turns
from gateway.testing import ScriptedUpstream, running

CAUSES = ("routing", "context", "cache")


class Clock:
    def __init__(self) -> None:
        self.now = 1_767_600_000.0  # a Monday morning: no quiet hours

    def __call__(self) -> float:
        return self.now


def config(scenario: Scenario, upstream: ScriptedUpstream, plugins: list[str]) -> str:
    def model(name: str) -> Json:
        provider = MODELS[name].split("/")[0]
        base = {"anthropic": upstream.root, "gemini": f"{upstream.root}/v1beta"}.get(provider, upstream.url)
        return {"name": name, "model": MODELS[name], "api_key": "${KEY}", "api_base": base}

    tiers = {"weak": {"models": [model(scenario.cheap)]}, "strong": {"models": [model(scenario.asked)]}}
    context = {"cache_hints": bool(plugins)}  # as it was asked for: without what the gateway adds
    return yaml.safe_dump({"tiers": tiers, "plugins": plugins, "context": context})


async def run(scenario: Scenario, count: int, *, as_asked: bool) -> list[Json]:
    """The records of a scenario's calls."""
    clock = Clock()
    plugins = [] if as_asked else ["gateway_reduce", "gateway_tiers"]
    unnamed = MODELS[scenario.asked if as_asked or scenario.tiers(0) == "strong" else scenario.cheap]
    records = []
    async with (
        ScriptedUpstream(Provider(clock, unnamed)) as upstream,
        running(config(scenario, upstream, plugins), env={"KEY": "sk-scripted"}, clock=clock) as gateway,
        aiohttp.ClientSession() as http,
    ):
        for session in range(scenario.sessions):
            for turn, messages in enumerate(turns(scenario, count, session)):
                clock.now += scenario.pauses.get(turn, PATIENCE)
                headers = {"x-thriftgate-session": str(session)}
                if not as_asked:
                    headers["x-thriftgate-tier"] = scenario.tiers(turn)
                    headers |= {} if scenario.optimize(turn) else {"x-thriftgate-optimize": "off"}
                body = {"model": scenario.asked, "messages": marked(messages, scenario), "max_tokens": 1_000}
                bodies = [{**body, "tools": TOOLS}]
                if scenario.beside:
                    title = [{"role": "user", "content": f"A title for step {turn}, please."}]
                    bodies.insert(0, {**body, "messages": title})
                for sent in bodies:
                    async with http.post(f"{gateway.url}/chat/completions", json=sent, headers=headers) as got:
                        if got.status != 200:
                            raise RuntimeError(await got.text())
                        await got.read()
                    records.append(await gateway.gateway.ledger.get(got.headers["x-request-id"]) or {})
    return records


@dataclass(frozen=True)
class Outcome:
    """Dollars of a scenario."""

    asked: float
    spent: float
    causes: Mapping[str, float]

    @property
    def saved(self) -> float:
        return self.asked - self.spent

    @property
    def claimed(self) -> float:
        return sum(self.causes.values())

    @property
    def error(self) -> float:
        """What is claimed too much, as a share of the bill as it was asked for."""
        return (self.claimed - self.saved) / self.asked


async def outcome(scenario: Scenario, count: int) -> Outcome:
    asked = await run(scenario, count, as_asked=True)
    records = await run(scenario, count, as_asked=False)
    causes: Counter[str] = Counter()
    for record in records:
        for cause in CAUSES:
            causes[cause] += record["savings"][cause]
    dollars = [sum(record["cost_usd"] for record in some) for some in (asked, records)]
    return Outcome(*dollars, causes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=20)
    count = parser.parse_args().turns
    heads = ("asked $", "spent $", "saved $", "claimed $", "error", *CAUSES)
    print(f"{'':<34}" + "".join(f"{head:>11}" for head in heads))
    for scenario in SCENARIOS:
        told = asyncio.run(outcome(scenario, count))
        dollars = [f"{value:>11.4f}" for value in (told.asked, told.spent, told.saved, told.claimed)]
        causes = [f"{told.causes[cause]:>11.4f}" for cause in CAUSES]
        print(f"{scenario.name:<34}", *dollars, f"{told.error:>11.1%}", *causes, sep="", flush=True)


if __name__ == "__main__":
    main()
