"""What holds for every decision."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import (
    Asked,
    BudgetView,
    Capability,
    ChatRequest,
    Complexity,
    Deployment,
    Hints,
    Price,
    RefusedError,
    RouteView,
    Routing,
    Sizes,
    Tier,
    TierLimits,
    Warmth,
)
from gateway_tiers import Tiers, TiersSettings

money = st.floats(0, 100, allow_nan=False)
prices = st.none() | st.just(Price(0, 0)) | st.builds(Price, money, money, st.none() | money, st.none() | money)
tokens = st.integers(0, 300_000)
needs = st.frozensets(st.sampled_from(Capability), max_size=2)


@st.composite
def deployments(draw):
    count = draw(st.integers(0, 6))
    return tuple(
        Deployment(
            name=f"d{index}",
            tier=draw(st.sampled_from(Tier)),
            model=f"p/m{index // 2}",
            provider="p",
            upstream_model=f"m{index}",
            priority=draw(st.integers(0, 3)),
            price=draw(prices),
            context_window=draw(st.none() | st.integers(1, 400_000)),
            capabilities=draw(needs),
        )
        for index in range(count)
    )


@st.composite
def asks(draw, active):
    kind = draw(st.sampled_from(["auto", "tier", "deployment", "known"]))
    if kind == "tier":
        tier = draw(st.sampled_from(Tier))
        return Asked(tier, "tier", tier, tuple(one for one in active if one.tier is tier))
    if kind == "deployment" and active:
        one = draw(st.sampled_from(active))
        return Asked(one.name, "deployment", one.tier, (one,), one.price, one.model)
    return Asked("x", "known", price=draw(prices)) if kind == "known" else Asked("auto", "auto")


@st.composite
def views(draw):
    active = draw(deployments())
    names = [one.name for one in active]
    rules = Routing(
        "enforce",
        draw(st.sampled_from(["always", "auto_only", "never"])),
        draw(st.sampled_from(Tier)),
        draw(st.booleans()),
        (),
        (),
        {},
        {tier: TierLimits(draw(st.none() | st.floats(1, 10)), draw(st.none() | tokens)) for tier in Tier},
    )
    sent = draw(tokens)
    return RouteView(
        asked=draw(asks(active)),
        deployments=active,
        cooling=frozenset(draw(st.lists(st.sampled_from(names)))) if names else frozenset(),
        needs=draw(needs),
        sizes=Sizes(draw(tokens), draw(tokens), draw(st.integers(0, 8_000))),
        warmth=Warmth(
            draw(st.sampled_from([*names, None])), "p/m0", draw(st.floats(0, 600)), sent, sent + draw(tokens)
        ),
        budget=BudgetView("b", draw(st.none() | st.floats(0, 1)), None, draw(st.booleans())),
        routing=rules,
    )


complexities = st.builds(
    Complexity,
    st.floats(1, 10),
    st.just("bug_fix"),
    confidence=st.floats(0, 1),
    force=st.none() | st.just(Tier.STRONG),
)
hints = st.builds(Hints, tier=st.none() | st.sampled_from(Tier), route=st.booleans())
ROUTER = Tiers(SimpleNamespace(), TiersSettings())


def route(view, complexity, hint):
    request = ChatRequest(body={}, parts=(), messages=0, size=2, hints=hint)
    try:
        return ROUTER.route(request, complexity, view)
    except RefusedError as refused:
        return None if refused.message and refused.status in {400, 404, 429, 503} else refused


def uncached(price, sizes):
    return sizes.trimmed * price.input + sizes.output * price.output


@settings(max_examples=40)
@given(views(), complexities, hints)
def test_every_decision(view, complexity, hint):
    plan = route(view, complexity, hint)
    assert not isinstance(plan, RefusedError), "refused, but not as documented"
    assert plan == route(view, complexity, hint), "the same arguments give the same plan"
    if plan is None:
        return
    lines = {line.deployment: line for line in plan.considered}
    serving = [one.name for one in plan.deployments]
    assert len(set(serving)) == len(serving) == sum(line.skipped is None for line in plan.considered)
    assert [line.deployment for line in plan.considered][: len(serving)] == serving
    assert all(lines[name].skipped is None for name in serving)
    assert plan.tier is plan.deployments[0].tier
    assert plan.reason.isascii()
    assert plan.reason.isprintable()
    assert 0 < len(plan.reason) <= 200
    if view.budget.free_only:
        assert all(one.price is not None and one.price.free for one in plan.deployments)


@settings(max_examples=40)
@given(views(), complexities, hints)
def test_nothing_dearer_than_asked_unless_the_reason_says_so(view, complexity, hint):
    plan = route(view, complexity, hint)
    if plan is None or view.asked.kind in {"auto", "tier"} or view.asked.price is None or "though" in plan.reason:
        return
    for one in plan.deployments:
        assert one.price is None or uncached(one.price, view.sizes) <= uncached(view.asked.price, view.sizes) * 1.000001
        assert one.price is not None or one in view.asked.deployments


@settings(max_examples=40)
@given(views(), complexities, hints)
def test_inside_a_tier_the_order_is_by_expected_dollars(view, complexity, hint):
    plan = route(replace(view, warmth=Warmth(), routing=replace(view.routing, rewrite="always")), complexity, hint)
    if plan is None or "as asked" in plan.reason:
        return
    dollars = {line.deployment: line.expected_usd for line in plan.considered}
    for tier in Tier:
        here = [one for one in plan.deployments if one.tier is tier]
        free = [one.price is not None and one.price.free for one in here]
        assert free == sorted(free, reverse=view.routing.prefer_free)
        paid = [dollars[one.name] for one in here if one.price is None or not one.price.free]
        known = [usd for usd in paid if usd is not None]
        assert paid == sorted(known) + [None] * (len(paid) - len(known))
    reached = [one.tier for one in plan.deployments]
    assert len([1 for one, other in pairwise(reached) if one is not other]) < len(set(reached)) or not reached
