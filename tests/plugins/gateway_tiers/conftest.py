"""A small town of deployments, and the arguments of one routing decision with a value for everything not said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.api import (
    Asked,
    BudgetView,
    ChatRequest,
    Complexity,
    Deployment,
    Hints,
    Price,
    RoutePlan,
    RouteView,
    Routing,
    Sizes,
    Tier,
    TierLimits,
    Warmth,
)
from gateway_tiers import Tiers, TiersSettings

LIMITS = {
    Tier.WEAK: TierLimits(2.5, 200_000),
    Tier.BASE: TierLimits(8.0, 400_000),
    Tier.STRONG: TierLimits(10.0, None),
}


def make(name: str, tier: str, price: Price | None = None, **more: Any) -> Deployment:
    model = more.pop("model", f"openai/{name}")
    return Deployment(
        name=name,
        tier=Tier(tier),
        model=model,
        provider=model.partition("/")[0],
        upstream_model=name,
        price=price,
        **more,
    )


TOWN = (
    make("nano", "weak", Price(0.05, 0.4, 0.005), priority=10),
    make("lite", "weak", Price(0.1, 0.4, 0.01), priority=20),
    make("mini", "base", Price(0.25, 2, 0.025), priority=10),
    make("sonnet", "base", Price(3, 15, 0.3, 3.75), priority=20),
    make("opus", "strong", Price(5, 25, 0.5, 6.25), priority=10),
)


@dataclass(frozen=True)
class Town:
    """Deployments and rules; `route` decides one request, everything not said being ordinary."""

    deployments: tuple[Deployment, ...] = TOWN
    settings: TiersSettings = field(default_factory=TiersSettings)

    def __getitem__(self, name: str) -> Deployment:
        return next(one for one in self.deployments if one.name == name)

    def asked(self, model: str) -> Asked:
        if model == "auto":
            return Asked("auto", "auto")
        if model in set(Tier):
            tier = Tier(model)
            return Asked(model, "tier", tier, tuple(d for d in self.deployments if d.tier is tier))
        named = [d for d in self.deployments if d.name == model]
        if not named:
            return Asked(model, "known", price=Price(2, 8), price_model=model)
        return Asked(model, "deployment", named[0].tier, tuple(named), named[0].price, named[0].model)

    def view(self, **given: Any) -> RouteView:
        asked = given.pop("asked", "auto")
        rules = {
            "mode": "enforce",
            "rewrite": "always",
            "default_tier": Tier.BASE,
            "prefer_free": True,
            "force_strong_for": (),
            "task_types": (),
            "factors": {},
            "limits": LIMITS,
        }
        routing = Routing(**{key: given.pop(key, value) for key, value in rules.items()})
        view = {
            "asked": self.asked(asked) if isinstance(asked, str) else asked,
            "deployments": self.deployments,
            "cooling": frozenset(),
            "needs": frozenset(),
            "sizes": Sizes(2000, 2000, 400),
            "warmth": Warmth(),
            "budget": BudgetView(),
            "routing": routing,
        }
        return RouteView(**{key: given.pop(key, value) for key, value in view.items()}, **given)

    def route(
        self,
        score: float = 2.0,
        *,
        confidence: float = 1.0,
        force: Tier | None = None,
        hints: Hints | None = None,
        **view: Any,
    ) -> RoutePlan:
        request = ChatRequest(body={"messages": []}, parts=(), messages=0, size=2, hints=hints or Hints())
        complexity = Complexity(score, "bug_fix", confidence=confidence, force=force)
        router = Tiers(SimpleNamespace(), self.settings)  # type: ignore[arg-type]  # the router asks its host nothing
        return router.route(request, complexity, self.view(**view))


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def town_of() -> Callable[..., Town]:
    return lambda *deployments, **settings: Town(tuple(deployments), TiersSettings(**settings))


@pytest.fixture(name="make")
def make_fixture() -> Callable[..., Deployment]:
    return make
