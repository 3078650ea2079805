"""`python -m bench.routing`: prints three tables; `--data` names a folder of outcome sets."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.routing.apgr import Outcomes, apgr, read
from bench.routing.sessions import request
from gateway.api import (
    Asked,
    BudgetView,
    ChatRequest,
    Complexity,
    Deployment,
    Price,
    RouteView,
    Routing,
    Sizes,
    Tier,
    TierLimits,
    Warmth,
)
from gateway_complexity import FourFactors, score_bodies
from gateway_complexity.defaults import FACTORS, TASK_TYPES
from gateway_tiers import Tiers, TiersSettings

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "routing"
LIMITS = {
    Tier.WEAK: TierLimits(2.5, 200_000),
    Tier.BASE: TierLimits(8.0, 400_000),
    Tier.STRONG: TierLimits(10.0, None),
}
ROUTES = 3_000
SINGLE = 400
SESSIONS = {
    "5 KB, 3 messages, no tools": {"messages": 3, "characters": 5_000, "tools": 0},
    "300 KB, 301 messages, 30 tools": {"messages": 300, "characters": 300_000, "tools": 30},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.routing", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    folder = parser.parse_args().data
    route_table()
    score_table()
    if not folder.is_dir():
        print(f"\nNo outcome sets in {folder}: the score's quality was not measured. Name a folder with --data.")
        return 1
    quality_table(read(folder))
    return 0


def quality_table(sets: Sequence[Outcomes]) -> None:
    head = f"{'ours':>16}{'random':>8}{'length':>8}"
    print(f"\nAPGR (random order: 0.5){head}   CPU microseconds, one request: p50, p99")
    ours = []
    for outcomes in sets:
        scores = score_bodies(outcomes.requests)
        ours.append(apgr(scores, outcomes))
        chance = random.Random(0)
        others = [
            apgr([chance.random() for _ in scores], outcomes),
            apgr([_length(r) for r in outcomes.requests], outcomes),
        ]
        step = max(1, len(outcomes.requests) // SINGLE)
        p50, p99 = percentiles([_timed(score_bodies, [body]) for body in outcomes.requests[::step]])
        print(
            f"{outcomes.name:24}{len(scores):8}{ours[-1]:8.3f}{others[0]:8.3f}{others[1]:8.3f}   {p50:8.0f}{p99:8.0f}"
        )
    print(f"{'macro':32}{sum(ours) / len(ours):8.3f}")


def route_table() -> None:
    """`route()` against a sort of the same deployments by price: what any router has to do."""
    router = Tiers(SimpleNamespace(), TiersSettings())
    asked = ChatRequest(body={}, parts=(), messages=0, size=0)
    print("route(), CPU microseconds  p50     p99   times a plain sort")
    for count in (12, 100):
        views = [_view(count, seed) for seed in range(60)]
        complexity = Complexity(3.0, "bug_fix", confidence=0.7)
        took, base = [], []
        for index in range(ROUTES):
            view = views[index % len(views)]
            base.append(_timed(_sorted, view.deployments))
            took.append(_timed(router.route, asked, complexity, view))
        p50, p99 = percentiles(took)
        print(f"{count:4} deployments      {p50:8.0f}{p99:8.0f}{p50 / percentiles(base)[0]:12.1f}")


def score_table() -> None:
    """`score()` of agents' requests: the first time, with nothing remembered of them, and once more."""
    rules = Routing("enforce", "always", Tier.BASE, True, (), TASK_TYPES, FACTORS, LIMITS)
    print("\nscore(), CPU microseconds             first time: p50, p99   again: p50, p99")
    for name, size in SESSIONS.items():
        scorer = FourFactors(SimpleNamespace(routing=rules), FourFactors.Settings())
        requests = [request(number, **size) for number in range(100)]
        first = percentiles([_timed(scorer.score, one) for one in requests])
        again = percentiles([_timed(scorer.score, one) for one in requests[-10:] * 10])
        print(f"{name:36}{first[0]:16.0f}{first[1]:8.0f}{again[0]:14.0f}{again[1]:8.0f}")


def _sorted(deployments: Sequence[Deployment]) -> list[Deployment]:
    return sorted(deployments, key=lambda one: one.price.input if one.price else 0.0)


def _view(count: int, seed: int) -> RouteView:
    chance = random.Random(seed)
    deployments = tuple(_deployment(index, chance) for index in range(count))
    last = chance.choice(deployments)
    prompt = chance.randrange(1_000, 120_000)
    return RouteView(
        asked=Asked("auto", "auto"),
        deployments=deployments,
        cooling=frozenset({deployments[0].name}),
        needs=frozenset(),
        sizes=Sizes(prompt, round(prompt * 0.9), 400),
        warmth=Warmth(last.name, last.model, chance.uniform(0, 600), round(prompt * 0.8), round(prompt * 0.85)),
        budget=BudgetView("team", chance.random()),
        routing=Routing("enforce", "always", Tier.BASE, True, (), (), {}, LIMITS),
    )


def _deployment(index: int, chance: random.Random) -> Deployment:
    price = chance.uniform(0.05, 5)
    return Deployment(
        name=f"model-{index}",
        tier=chance.choice(list(Tier)),
        model=f"provider/model-{index}",
        provider="provider",
        upstream_model=f"model-{index}",
        price=Price(price, price * 5, price / 10, price * 1.25),
        context_window=chance.choice([32_000, 128_000, 1_000_000]),
    )


def _length(request: dict[str, Any]) -> int:
    return sum(len(str(message.get("content") or "")) for message in request["messages"])


def _timed(call: Callable[..., Any], *arguments: Any) -> float:
    """Microseconds of this thread's CPU: what else runs on the machine does not count."""
    began = time.thread_time_ns()
    call(*arguments)
    return (time.thread_time_ns() - began) / 1e3


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    ranked = sorted(values)
    return ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]


if __name__ == "__main__":
    sys.exit(main())
