"""Warm prompts: what they are worth, when a session stays, when it goes, and which body it sends."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.api import Hints, Price, Sizes, Tier, Warmth


def warm_on(name, tokens, *, cut=0, age=10.0):
    return Warmth(deployment=name, model=f"openai/{name}", age=age, sent_tokens=tokens, original_tokens=tokens + cut)


def expected(plan, name):
    return next(line.expected_usd for line in plan.considered if line.deployment == name)


def test_a_warm_prefix_costs_its_read_price_and_the_rest_its_write_price(town):
    plan = town.route(5.0, asked="base", warmth=warm_on("sonnet", 9_000), sizes=Sizes(10_000, 10_000, 100))
    assert expected(plan, "sonnet") == pytest.approx((9_000 * 0.3 + 1_000 * 3.75 + 100 * 15) / 1e6)
    assert expected(plan, "mini") == pytest.approx((10_000 * 0.25 + 100 * 2) / 1e6)


def test_claude_caches_only_what_the_body_marks(town_of, make):
    claude = make("claude", "base", Price(3, 15, 0.3, 3.75), model="anthropic/claude-sonnet-4-5")
    rival = make("rival", "base", Price(2.9, 15))
    warmth = replace(warm_on("claude", 9_000), model=claude.model)
    turn = {"asked": "base", "warmth": warmth, "sizes": Sizes(10_000, 10_000, 100)}
    town = town_of(claude, rival)
    marked, unmarked = town.route(5.0, marked=True, **turn), town.route(5.0, **turn)
    assert marked.deployments[0] is claude
    assert expected(marked, "claude") == pytest.approx((9_000 * 0.3 + 1_000 * 3.75 + 100 * 15) / 1e6)
    assert unmarked.deployments[0] is rival
    assert expected(unmarked, "claude") == pytest.approx((10_000 * 3 + 100 * 15) / 1e6)
    by_the_gateway = town.route(5.0, marking=frozenset({"claude"}), **turn)
    assert by_the_gateway.deployments[0] is claude
    assert expected(by_the_gateway, "claude") == expected(marked, "claude")


@pytest.mark.parametrize(
    ("warmth", "warm"),
    [
        (warm_on("nano", 1_024), True),
        (warm_on("nano", 1_023), False),  # providers cache nothing shorter
        (warm_on("nano", 5_000, age=299.0), True),
        (warm_on("nano", 5_000, age=300.0), False),
        (replace(warm_on("other", 5_000), model="openai/nano"), True),  # the same model under another name
        (Warmth(), False),
    ],
)
def test_when_a_prefix_is_warm(town, warmth, warm):
    plan = town.route(warmth=warmth, sizes=Sizes(6_000, 6_000, 0))
    assert (expected(plan, "nano") < 6_000 * 0.05 / 1e6) is warm


def test_a_provider_may_keep_its_cache_longer(town_of, make):
    deployment = make("nano", "weak", Price(1, 1, 0.1))
    view = {"warmth": warm_on("nano", 5_000, age=900.0), "sizes": Sizes(5_000, 5_000, 0)}
    assert expected(town_of(deployment).route(**view), "nano") == pytest.approx(0.005)
    kept = town_of(deployment, warm_seconds_by_provider={"openai": 3_600})
    assert expected(kept.route(**view), "nano") == pytest.approx(0.0005)


def test_a_session_stays_where_it_is_warm_though_another_lists_less(town_of, make):
    town = town_of(make("a", "weak", Price(1.0, 4, 0.1)), make("b", "weak", Price(0.8, 4, 0.08)))
    sizes = Sizes(50_000, 50_000, 300)
    assert town.route(sizes=sizes).deployments[0].name == "b"
    assert town.route(sizes=sizes, warmth=warm_on("a", 49_000)).deployments[0].name == "a"
    assert town.route(sizes=sizes, warmth=warm_on("a", 49_000, age=400.0)).deployments[0].name == "b"


def test_a_hop_inside_a_tier_is_made_where_it_pays(town_of, make):
    """No cache discount at `a`: reading anew at `b` is cheaper at once."""
    town = town_of(make("a", "weak", Price(2.0, 4)), make("b", "weak", Price(0.8, 4, 0.08)))
    assert town.route(sizes=Sizes(50_000, 50_000, 300), warmth=warm_on("a", 49_000)).deployments[0].name == "b"


def test_more_is_wanted_more_is_given_however_warm(town):
    assert town.route(9.0, warmth=warm_on("nano", 50_000), sizes=Sizes(51_000, 51_000, 300)).tier == "strong"


@pytest.mark.parametrize(("score", "tier"), [(2.6, "base"), (2.4, "base"), (2.1, "base"), (1.9, "weak")])
def test_a_warm_session_goes_down_only_when_the_score_is_clearly_lower(town, score, tier):
    view = {"warmth": warm_on("mini", 50_000), "sizes": Sizes(51_000, 51_000, 300)}
    assert town.route(score, **view).tier == tier


def test_a_cold_session_goes_down_at_once(town):
    assert town.route(2.4, warmth=warm_on("mini", 50_000, age=301.0)).tier == "weak"


def test_going_down_must_pay(town_of, make):
    base = make("base", "base", Price(1.0, 1, 0.1))
    little = town_of(base, make("weak", "weak", Price(0.9, 0.9, 0.09)))
    much = town_of(base, make("weak", "weak", Price(0.1, 0.1, 0.01)))
    view = {"warmth": warm_on("base", 99_000), "sizes": Sizes(100_000, 100_000, 300)}
    plan = little.route(1.0, **view)
    assert plan.tier == "base"
    assert [one.name for one in plan.deployments] == ["base", "weak"]
    assert much.route(1.0, **view).tier == "weak"


def test_a_tier_named_by_the_caller_is_obeyed_however_warm_another_is(town):
    view = {"warmth": warm_on("opus", 90_000), "sizes": Sizes(91_000, 91_000, 100)}
    assert town.route(9.0, asked="weak", **view).tier == "weak"
    assert town.route(9.0, hints=Hints(tier=Tier.WEAK), **view).tier == "weak"


def test_an_unknown_price_is_no_reason_to_hop(town_of, make):
    town = town_of(make("here", "weak"), make("there", "weak", Price(0.1, 0.1)))
    plan = town.route(warmth=warm_on("here", 5_000), sizes=Sizes(6_000, 6_000, 10))
    assert plan.deployments[0].name == "here"


# Trimmed or as sent.


def test_trimmed_is_right_from_the_first_request_on(town):
    assert town.route(sizes=Sizes(10_000, 7_000, 100)).trimmed


def test_cuts_in_what_is_new_keep_the_cache(town):
    """Nothing was cut until now, and the cut fits into what came since: the prefix is the same in both bodies."""
    plan = town.route(
        asked="sonnet", rewrite="never", warmth=warm_on("sonnet", 20_000), sizes=Sizes(26_000, 22_000, 100)
    )
    assert plan.trimmed
    assert expected(plan, "sonnet") == pytest.approx((20_000 * 0.3 + 2_000 * 3.75 + 100 * 15) / 1e6)


def test_a_session_that_ran_untrimmed_goes_on_so_where_little_is_cut(town):
    view = {"asked": "sonnet", "rewrite": "never", "warmth": warm_on("sonnet", 100_000)}
    assert not town.route(sizes=Sizes(101_000, 95_000, 100), **view).trimmed
    assert town.route(sizes=Sizes(101_000, 20_000, 100), **view).trimmed


def test_a_session_that_ran_trimmed_stays_trimmed(town):
    plan = town.route(warmth=warm_on("nano", 20_000, cut=5_000), sizes=Sizes(26_000, 21_000, 100))
    assert plan.trimmed
    assert expected(plan, "nano") == pytest.approx((20_000 * 0.005 + 1_000 * 0.05 + 100 * 0.4) / 1e6)


# A whole session, turn by turn, with its own bookkeeping of what is cached where.


def replay(town, scores, *, start=20_000, step=2_000, answer=300):
    """Route a growing conversation. The dollars are counted here, from prices and one warm upstream, not by the
    router; returns them with the names of those that served."""
    served, dollars, warmth, prompt = [], 0.0, Warmth(), start
    for score in scores:
        first = town.route(score, warmth=warmth, sizes=Sizes(prompt, prompt, answer)).deployments[0]
        price = first.price
        cached = warmth.sent_tokens if warmth.deployment == first.name else 0
        read = price.cache_read if price.cache_read is not None else price.input
        write = price.cache_write if price.cache_write is not None else price.input
        dollars += (cached * read + (prompt - cached) * write + answer * price.output) / 1e6
        served.append(first.name)
        warmth = warm_on(first.name, prompt)
        prompt += step
    return dollars, served


def hops(served):
    return sum(one != other for one, other in pairwise(served))


def test_a_long_session_with_a_score_around_a_threshold_does_not_hop_to_and_fro(town):
    scores = [2.7, 2.3] * 30
    dollars, served = replay(town, scores)
    assert hops(served) == 0
    # What choosing anew at every turn costs: each hop reads the prompt at full price.
    jumping, jumped = replay(replace(town, settings=town.settings.model_copy(update={"hysteresis": 0.0})), scores)
    assert hops(jumped) > 20
    assert dollars < jumping


def test_a_session_goes_down_once_when_it_proves_simple_and_costs_less_for_it(town):
    dollars, served = replay(town, [4.0] * 5 + [1.5] * 40)
    assert hops(served) == 1
    assert dollars < replay(town, [4.0] * 45)[0]


def test_a_session_does_not_go_down_for_a_saving_that_the_hop_eats(town_of, make):
    base, weak = make("base", "base", Price(1.0, 4, 0.1)), make("weak", "weak", Price(0.95, 3.8, 0.095))
    stayed, served = replay(town_of(base, weak), [4.0] * 5 + [1.0] * 8)
    assert hops(served) == 0
    hopped, _ = replay(town_of(base, weak, horizon=1000, hysteresis=0), [4.0] * 5 + [1.0] * 8)
    assert stayed < hopped
