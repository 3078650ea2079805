"""The plan without a router."""

import pytest

from gateway.api import (
    Asked,
    BadRequest,
    BudgetView,
    Deployment,
    RouteView,
    Routing,
    Sizes,
    Tier,
    Unavailable,
    Warmth,
)
from gateway.faithful import faithful_plan


def deployment(name: str, tier: Tier, **fields) -> Deployment:
    return Deployment(name=name, tier=tier, model=f"p/{name}", provider="p", upstream_model=name, **fields)


WEAK, BASE, STRONG = deployment("w", Tier.WEAK), deployment("b", Tier.BASE), deployment("s", Tier.STRONG)
AUTO = Asked(name="auto", kind="auto")


def view(*deployments: Deployment, default: Tier = Tier.BASE) -> RouteView:
    routing = Routing("enforce", "always", default, prefer_free=True, force_strong_for=(), task_types=(), factors={},
                      limits={})  # fmt: skip
    return RouteView(AUTO, deployments, frozenset(), frozenset(), Sizes(1, 1, 1), Warmth(), BudgetView(), routing)


def names(plan) -> list[str]:
    return [deployment.name for deployment in plan.deployments]


@pytest.mark.parametrize("default", Tier)
def test_auto_is_the_default_tier(default):
    plan = faithful_plan(AUTO, view(WEAK, BASE, STRONG, default=default))
    assert names(plan) == [default.value[0]]
    assert plan.tier is default
    assert plan.trimmed


def test_a_tiers_deployments_stand_by_priority_and_then_as_in_the_file():
    later, first, second = (deployment(n, Tier.BASE, priority=p) for n, p in (("c", 9), ("a", 1), ("b2", 1)))
    assert names(faithful_plan(AUTO, view(later, first, second))) == ["a", "b2", "c"]


def test_a_pattern_is_no_deployment_to_send_auto_to():
    pattern = deployment("x/*", Tier.BASE)
    assert names(faithful_plan(AUTO, view(pattern, STRONG))) == ["s"]


@pytest.mark.parametrize(
    ("wanted", "active", "nearest"),
    [
        (Tier.WEAK, (BASE, STRONG), "b"),
        (Tier.STRONG, (WEAK, BASE), "b"),
        (Tier.BASE, (WEAK, STRONG), "s"),  # as near: rather too good than too bad
        (Tier.STRONG, (WEAK,), "w"),
    ],
)
def test_an_empty_tier_gives_way_to_the_nearest_and_says_so(wanted, active, nearest):
    plan = faithful_plan(Asked(name=wanted.value, kind="tier", tier=wanted), view(*active))
    assert names(plan) == [nearest]
    assert f"{wanted.value} has no active deployment" in plan.reason


def test_a_concrete_model_is_served_by_what_serves_it_and_nothing_else():
    asked = Asked(name="w", kind="deployment", tier=Tier.WEAK, deployments=(WEAK,))
    assert names(faithful_plan(asked, view(WEAK, BASE))) == ["w"]


@pytest.mark.parametrize("kind", ["deployment", "known"])
def test_a_concrete_model_that_nobody_serves_is_a_404(kind):
    with pytest.raises(BadRequest) as caught:
        faithful_plan(Asked(name="gone", kind=kind), view(WEAK))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_nobody_active_is_told_what_to_do():
    with pytest.raises(Unavailable, match="API key"):
        faithful_plan(AUTO, view())
