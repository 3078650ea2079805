"""Which tier a request goes to."""

import pytest

from gateway.api import BudgetView, Hints, Sizes, Tier


@pytest.mark.parametrize(
    ("score", "tier"),
    [(1.0, "weak"), (2.5, "weak"), (2.6, "base"), (8.0, "base"), (8.1, "strong"), (10.0, "strong")],
)
def test_the_lowest_tier_that_takes_the_score(town, score, tier):
    assert town.route(score).tier == tier


def test_a_prompt_too_long_for_a_tier_goes_up(town):
    assert town.route(1.0, sizes=Sizes(250_000, 250_000, 100)).tier == "base"
    assert town.route(1.0, sizes=Sizes(500_000, 500_000, 100)).tier == "strong"


def test_trimming_decides_whether_a_prompt_is_too_long(town):
    assert town.route(1.0, sizes=Sizes(250_000, 150_000, 100)).tier == "weak"


def test_the_callers_tier_wins_over_everything(town):
    assert town.route(9.9, force=Tier.STRONG, hints=Hints(tier=Tier.WEAK)).tier == "weak"
    assert town.route(9.9, asked="weak").tier == "weak"
    assert town.route(1.0, asked="weak", hints=Hints(tier=Tier.STRONG)).tier == "strong"


def test_a_forced_kind_goes_to_strong_whatever_its_score(town):
    plan = town.route(1.0, force=Tier.STRONG)
    assert plan.tier == "strong"
    assert "always goes to strong" in plan.reason


@pytest.mark.parametrize(("confidence", "tier"), [(0.0, "base"), (0.39, "base"), (0.4, "weak")])
def test_what_is_not_clear_goes_to_the_default_tier_never_to_weak(town, confidence, tier):
    assert town.route(1.0, confidence=confidence).tier == tier


def test_low_confidence_never_lowers_a_tier(town):
    assert town.route(9.0, confidence=0.0).tier == "strong"


@pytest.mark.parametrize(
    ("score", "left", "tier"),
    [
        (3.0, 1.0, "base"),
        (3.0, 0.5, "base"),  # the shift begins below a half
        (3.0, 0.2, "weak"),  # 3.0 - 0.6
        (3.4, 0.2, "base"),
        (8.9, 0.11, "strong"),
        (8.9, 0.05, "base"),  # one tier down, and no shift on top
        (9.9, 0.05, "base"),
        (4.0, 0.09, "weak"),
        (1.0, 0.0, "weak"),
    ],
)
def test_as_a_budget_runs_down_routing_gets_cheaper(town, score, left, tier):
    assert town.route(score, budget=BudgetView("team", left)).tier == tier


def test_a_forced_kind_keeps_its_tier_on_a_small_budget(town):
    assert town.route(2.0, force=Tier.STRONG, budget=BudgetView("team", 0.01)).tier == "strong"


def test_a_long_prompt_is_not_sent_where_it_does_not_fit_to_save_a_budget(town):
    plan = town.route(4.0, budget=BudgetView("team", 0.01), sizes=Sizes(250_000, 250_000, 100))
    assert plan.tier == "base"


@pytest.mark.parametrize(("rewrite", "hints"), [("never", Hints()), ("always", Hints(route=False))])
def test_auto_without_routing_is_the_default_tier(town, rewrite, hints):
    plan = town.route(1.0, rewrite=rewrite, hints=hints)
    assert plan.tier == "base"
    assert "not routed" in plan.reason
