"""What is chosen inside a tier, what is passed over and why, and what is refused."""

import pytest

from gateway.api import (
    Asked,
    BadRequest,
    BudgetExhausted,
    BudgetView,
    Capability,
    Hints,
    Price,
    Sizes,
    Unavailable,
)


def names(plan):
    return [one.name for one in plan.deployments]


def skipped(plan):
    return {line.deployment: line.skipped for line in plan.considered if line.skipped}


def test_the_cheapest_serves_and_the_other_tiers_stand_behind_nearest_and_higher_first(town):
    assert names(town.route(1.0)) == ["nano", "lite", "mini", "sonnet", "opus"]
    assert names(town.route(5.0)) == ["mini", "sonnet", "opus", "nano", "lite"]
    assert names(town.route(9.0)) == ["opus", "mini", "sonnet", "nano", "lite"]


def test_dollars_are_those_of_this_request_not_of_a_price_list(town_of, make):
    reads = make("reads", "weak", Price(0.1, 10))
    writes = make("writes", "weak", Price(1, 1))
    town = town_of(reads, writes)
    assert names(town.route(sizes=Sizes(10_000, 10_000, 10)))[0] == "reads"
    assert names(town.route(sizes=Sizes(100, 100, 1_000)))[0] == "writes"


def test_expected_dollars_are_shown(town):
    line = next(line for line in town.route(1.0).considered if line.deployment == "nano")
    assert line.expected_usd == pytest.approx((2000 * 0.05 + 400 * 0.4) / 1e6)


def test_ties_go_by_priority_then_by_the_order_of_the_file(town_of, make):
    price = Price(1, 1)
    town = town_of(
        make("a", "weak", price, priority=5), make("b", "weak", price, priority=1), make("c", "weak", price, priority=1)
    )
    assert names(town.route()) == ["b", "c", "a"]


@pytest.mark.parametrize(("prefer_free", "first"), [(True, "free"), (False, "nano")])
def test_free_models_come_first_where_wanted_and_are_a_reserve_where_not(town_of, make, prefer_free, first):
    town = town_of(
        make("unknown", "weak"), make("nano", "weak", Price(0.05, 0.4)), make("free", "weak", Price(0, 0), priority=900)
    )
    plan = town.route(prefer_free=prefer_free)
    assert names(plan)[0] == first
    assert names(plan).index("unknown") > names(plan).index("nano")


def test_what_cannot_serve_is_passed_over_with_its_reason(town_of, make):
    town = town_of(
        make("cooling", "weak", Price(0.01, 0.01)),
        make("small", "weak", Price(0.01, 0.01), context_window=2_399),
        make("blind", "weak", Price(0.01, 0.01), capabilities=frozenset({Capability.TOOLS})),
        make("openai/*", "weak", Price(0.01, 0.01), model="openai/*"),
        make("just", "weak", Price(1, 1), context_window=2_400, capabilities=frozenset({Capability.VISION})),
        make("unknown-abilities", "weak", Price(2, 2)),
    )
    plan = town.route(cooling=frozenset({"cooling"}), needs=frozenset({Capability.VISION}))
    assert names(plan) == ["just", "unknown-abilities"]
    reasons = skipped(plan)
    assert set(reasons) == {"cooling", "small", "blind", "openai/*"}
    assert "cooling" in reasons["cooling"]
    assert "2399 tokens for 2400" in reasons["small"]
    assert reasons["blind"] == "cannot do vision"
    assert "by name" in reasons["openai/*"]


def test_a_tier_without_an_active_deployment_is_served_by_the_nearest_and_said_so(town_of, make):
    plan = town_of(make("mini", "base", Price(1, 1)), make("opus", "strong", Price(5, 5))).route(1.0)
    assert plan.tier == "base"
    assert plan.reason == "score 1.0 fits weak, but nothing there can serve; mini of base is the nearest ($0.0024)"


def test_a_reason_is_one_short_line_of_ascii(town_of, make):
    name = "größtes\nmodell\x00" + "x" * 300
    reason = town_of(make(name, "weak", Price(1, 1))).route().reason
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 200


def test_a_reason_reads_as_a_sentence(town):
    assert town.route(1.2).reason == "score 1.2 fits weak; nano is the cheapest of 2 that can serve it ($0.00026)"


# The model asked for is the ceiling.


def test_a_model_asked_for_is_never_replaced_by_a_dearer_one(town):
    plan = town.route(9.0, asked="mini")
    assert names(plan) == ["mini", "nano", "lite"]
    assert skipped(plan) == {"sonnet": "dearer than the model asked for", "opus": "dearer than the model asked for"}


def test_a_model_asked_for_is_replaced_by_a_cheaper_one_that_suits(town):
    assert names(town.route(1.0, asked="opus"))[0] == "nano"


def test_a_model_that_only_the_price_list_knows_is_a_ceiling_too(town):
    assert names(town.route(9.0, asked="somebody/some-model")) == ["mini", "nano", "lite"]


def test_an_unknown_price_may_be_above_the_ceiling(town_of, make):
    town = town_of(make("known", "weak", Price(1, 1)), make("mystery", "weak"))
    assert names(town.route(asked="known")) == ["known"]


def test_without_a_price_the_tier_of_the_model_asked_for_is_the_ceiling(town_of, make):
    town = town_of(make("asked", "base"), make("other", "base"), make("strong", "strong", Price(0.1, 0.1)))
    assert names(town.route(9.0, asked="asked")) == ["asked", "other"]


def test_a_known_model_without_a_price_sets_no_ceiling(town):
    assert names(town.route(9.0, asked=Asked("x/y", "known")))[0] == "opus"


def test_above_the_ceiling_only_where_nothing_else_can_serve(town):
    plan = town.route(1.0, asked="nano", cooling=frozenset({"nano"}))
    assert names(plan) == ["lite", "mini", "sonnet", "opus"]
    assert "nothing else can serve, so lite, though dearer than the model asked for" in plan.reason


def test_a_cooling_deployment_is_tried_where_nothing_else_can_serve(town_of, make):
    plan = town_of(make("only", "weak", Price(1, 1))).route(cooling=frozenset({"only"}))
    assert names(plan) == ["only"]
    assert "though cooling down" in plan.reason


# Served as asked.


@pytest.mark.parametrize(("rewrite", "route"), [("auto_only", True), ("never", True), ("always", False)])
def test_a_named_model_is_served_as_asked_where_routing_is_off_for_it(town, rewrite, route):
    plan = town.route(1.0, asked="opus", rewrite=rewrite, hints=Hints(route=route))
    assert names(plan) == ["opus"]
    assert plan.reason == "opus as asked"


def test_served_as_asked_but_by_nobody_is_a_404(town):
    with pytest.raises(BadRequest) as refused:
        town.route(asked="somebody/some-model", rewrite="never")
    assert (refused.value.status, refused.value.code, refused.value.param) == (404, "model_not_found", "model")
    assert "somebody/some-model" in refused.value.message


def test_auto_only_still_routes_auto_and_tier_names(town):
    assert town.route(1.0, rewrite="auto_only").tier == "weak"
    assert town.route(1.0, asked="strong", rewrite="auto_only").tier == "strong"


def test_served_as_asked_by_several_takes_one_that_is_not_cooling_first(town):
    asked = Asked("gpt", "deployment", deployments=(town["mini"], town["nano"]), price=Price(9, 9))
    plan = town.route(asked=asked, rewrite="never", cooling=frozenset({"mini"}))
    assert names(plan) == ["nano", "mini"]


def test_a_wildcard_asked_for_by_a_models_name_may_serve(town_of, make):
    pattern = make("openai/*", "base", model="openai/*")
    resolved = make("openai/*", "base", Price(1, 1), model="openai/gpt-x")
    asked = Asked("openai/gpt-x", "deployment", deployments=(resolved,), price=Price(1, 1))
    plan = town_of(pattern).route(asked=asked)
    assert plan.deployments == (resolved,)


# Budgets and refusals.


def test_free_only_leaves_the_free_ones(town_of, make):
    town = town_of(make("nano", "weak", Price(0.05, 0.4)), make("free", "base", Price(0, 0)))
    plan = town.route(budget=BudgetView("ci", 0.0, 0.0, free_only=True))
    assert names(plan) == ["free"]


@pytest.mark.parametrize("more", [{}, {"asked": "opus", "rewrite": "never"}])
def test_free_only_without_a_free_model_is_a_clear_429(town, more):
    with pytest.raises(BudgetExhausted, match="`ci` is used up") as refused:
        town.route(budget=BudgetView("ci", 0.0, 0.0, free_only=True), **more)
    assert refused.value.status == 429
    assert refused.value.should_retry is False


def test_too_long_for_every_window(town_of, make):
    with pytest.raises(BadRequest, match=r"has about 2000 tokens.*has 1000") as refused:
        town_of(make("a", "weak", context_window=1000), make("b", "base", context_window=500)).route()
    assert refused.value.code == "context_length_exceeded"


def test_needs_that_nobody_meets(town_of, make):
    town = town_of(make("a", "weak", capabilities=frozenset({Capability.TOOLS})))
    with pytest.raises(BadRequest, match="vision"):
        town.route(needs=frozenset({Capability.VISION}))


def test_nothing_active(town_of):
    with pytest.raises(Unavailable, match="No model is active") as refused:
        town_of().route()
    assert refused.value.code == "no_active_model"
