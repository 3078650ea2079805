from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import Savings, Usage, Warmth
from gateway.money import Bill, Catalog, Rates, Step, Tariff, cost, savings

GPT = Tariff(Rates(2.5, 10.0, cache_read=1.25))
MINI = Tariff(Rates(0.25, 2.0, cache_read=0.025))
WARM = Warmth("d", "mini", age=10.0, sent_tokens=7_000, original_tokens=7_000)
CLAUDE = Tariff(Rates(3.0, 15.0, 0.3, 3.75, 6.0), cache_on_request=True)


def bill(**values) -> Bill:
    defaults = {
        "asked": GPT,
        "asked_model": "gpt",
        "served": MINI,
        "served_model": "mini",
        "usage": Usage(8_000, 500),
    }
    return Bill(**{**defaults, **values})


dollars = st.floats(0.01, 100)
rates = st.builds(Rates, dollars, dollars, st.none() | dollars, st.none() | dollars, st.none() | dollars)
tariffs = st.builds(
    Tariff,
    rates,
    st.lists(st.builds(Step, st.integers(1, 50_000), rates), max_size=1).map(tuple),
    cache_on_request=st.booleans(),
)
counts = st.integers(0, 50_000)


@st.composite
def usages(draw) -> Usage:
    cached, written, plain, output = draw(counts), draw(counts), draw(counts), draw(counts)
    long = draw(st.integers(0, written))
    return Usage(cached + written + plain, output, cached=cached, cache_write=written, cache_write_1h=long)


models = st.sampled_from(["gpt", "mini", "third"])
warmths = st.builds(
    Warmth,
    model=st.none() | models,
    age=st.floats(0, 1_200),
    sent_tokens=counts,
    original_tokens=counts,
)
bills = st.builds(
    Bill,
    asked=st.none() | tariffs,
    asked_model=models,
    served=st.none() | tariffs,
    served_model=models,
    usage=usages(),
    removed_old=counts,
    removed_new=counts,
    warmth=warmths,
    repeated=st.floats(0, 1),
    marked=st.floats(0, 1),
    marked_seconds=st.sampled_from([0.0, 300.0, 3_600.0]),
    marked_here=st.booleans(),
    prefix_kept=st.booleans(),
    failed_usd=st.none() | st.floats(0, 10),
)


@given(bills)
def test_the_three_causes_add_up_to_the_difference(case: Bill) -> None:
    saved = savings(case)
    if None in (case.asked, case.served, case.failed_usd):
        assert saved.total is None
        return
    actual = cost(case.usage, case.served) + case.failed_usd
    assert saved.total == pytest.approx(saved.baseline_usd - actual, abs=1e-9)


@given(bills, st.floats(0, 10))
def test_recalls_are_paid_for_by_what_was_left_out(case: Bill, dollars: float) -> None:
    without, saved = savings(case), savings(replace(case, recalls_usd=dollars))
    assert (saved.routing, saved.cache, saved.baseline_usd) == (without.routing, without.cache, without.baseline_usd)
    assert saved.context == (None if without.context is None else pytest.approx(without.context - dollars))
    assert savings(replace(case, recalls_usd=None)).context is None


@given(bills)
def test_what_can_be_known_is_known(case: Bill) -> None:
    saved = savings(case)
    assert (saved.baseline_usd is None) == (case.asked is None)
    assert (saved.context is None) == (case.served is None)
    assert (saved.routing is None) == (None in (case.asked, case.served, case.failed_usd))
    assert (saved.cache is None) == (None in (case.asked, case.served))


@given(bills)
def test_nothing_removed_saves_nothing_by_context(case: Bill) -> None:
    untouched = savings(replace(case, removed_old=0, removed_new=0))
    assert untouched.context in (None, 0.0)


@given(bills, rates)
def test_removing_never_costs_on_flat_rates(case: Bill, rates: Rates) -> None:
    # a provider's writes are never cheaper than its reads; with such rates fewer tokens cost less
    ordered = replace(rates, cache_read=rates.input / 10, cache_write=rates.input * 1.25, cache_write_1h=None)
    assert savings(replace(case, served=Tariff(ordered))).context >= -1e-9


@given(bills, tariffs)
def test_a_session_that_stays_where_it_was_asked_to_go_saves_by_context_alone(case: Bill, tariff: Tariff) -> None:
    warmth = replace(case.warmth, model="gpt")
    stays = replace(
        case,
        asked=tariff,
        served=tariff,
        asked_model="gpt",
        served_model="gpt",
        warmth=warmth,
        marked_here=False,
        prefix_kept=True,
        failed_usd=0.0,
    )
    saved = savings(stays)
    assert saved.routing == 0
    assert saved.cache == 0
    assert saved.total == saved.context


def test_no_usage_no_savings() -> None:
    assert savings(bill(usage=None)) == Savings()


def test_a_cheaper_model_alone() -> None:
    saved = savings(bill())
    assert saved.baseline_usd == pytest.approx(0.025)
    assert saved.routing == pytest.approx(0.025 - 0.003)
    assert (saved.context, saved.cache) == (0, 0)


def test_failed_attempts_are_charged_to_routing() -> None:
    assert savings(bill(failed_usd=0.5)).routing == pytest.approx(0.022 - 0.5)


def test_context_is_known_without_the_model_asked_for() -> None:
    saved = savings(bill(asked=None, asked_model=None, removed_new=2_000))
    assert saved.context == pytest.approx(2_000 * 0.25 / 1e6)
    assert saved.total is None


def test_old_tokens_are_worth_what_a_cached_token_costs() -> None:
    stays = {"served": GPT, "served_model": "gpt", "warmth": Warmth("d", "gpt", 10.0, 6_000, 7_000)}
    warm = savings(bill(**stays, usage=Usage(8_000, 500, cached=6_000), removed_old=1_000))
    cold = savings(bill(**stays, usage=Usage(8_000, 500), removed_old=1_000))
    assert warm.context == pytest.approx(1_000 * 1.25 / 1e6)
    assert cold.context == pytest.approx(1_000 * 2.5 / 1e6)


def test_a_cache_lost_by_a_switch_is_charged() -> None:
    """The model asked for served this session until now; it would have read 7,000 tokens from its cache."""
    warmth = Warmth("d", "gpt", age=10.0, sent_tokens=7_000, original_tokens=7_000)
    saved = savings(bill(warmth=warmth, repeated=7 / 8))
    cached = Usage(8_000, 500, cached=7_000)
    assert saved.baseline_usd == cost(cached, GPT)
    assert saved.cache == pytest.approx(cost(cached, MINI) - cost(Usage(8_000, 500), MINI))
    assert saved.cache < 0


def test_coming_back_is_charged_too() -> None:
    """Asked and served are one model, but the last request went elsewhere, so its cache is cold."""
    warmth = Warmth("d", "mini", age=10.0, sent_tokens=7_000, original_tokens=7_000)
    saved = savings(bill(served=GPT, served_model="gpt", warmth=warmth, repeated=7 / 8))
    assert saved.routing == 0
    assert saved.cache == pytest.approx(-7_000 * 1.25 / 1e6)


def test_a_prefix_that_was_rewritten_is_charged() -> None:
    stays = bill(served=GPT, served_model="gpt", warmth=Warmth("d", "gpt", 10.0, 8_000, 7_900), removed_old=1_000)
    saved = savings(replace(stays, prefix_kept=False))
    assert saved.context == pytest.approx(1_000 * 1.25 / 1e6)
    assert saved.cache == pytest.approx(-6_900 * 1.25 / 1e6)


@pytest.mark.parametrize(
    ("asked", "warmth", "marked", "cached", "written"),
    [
        (GPT, WARM, 0.0, 7_000, 0),
        (GPT, replace(WARM, age=600.0), 0.0, 0, 0),
        (replace(GPT, cache_seconds=7_200.0), replace(WARM, age=600.0), 0.0, 7_000, 0),
        (GPT, Warmth(), 0.0, 0, 0),
        (GPT, Warmth("d", "mini", 10.0, 1_000, 1_000), 0.0, 0, 0),
        (GPT, replace(WARM, model="third"), 0.0, 6_000, 0),
        (Tariff(Rates(2.5, 10.0)), WARM, 0.0, 0, 0),
        (CLAUDE, WARM, 0.0, 0, 0),
        (CLAUDE, WARM, 1.0, 7_000, 1_000),
        (CLAUDE, replace(WARM, age=300.0), 1.0, 0, 8_000),
        (CLAUDE, WARM, 0.5, 4_000, 0),
        (CLAUDE, WARM, 0.1, 0, 0),
    ],
    ids=[
        "warm", "too old", "kept longer", "new session", "too short", "counted by another model", "no cache",
        "not marked", "marked", "marked, too old", "half marked", "marked, too short",
    ],
)  # fmt: skip
def test_when_the_model_asked_for_would_have_been_warm(asked, warmth, marked, cached, written) -> None:
    saved = savings(bill(asked=asked, warmth=warmth, repeated=0.75, marked=marked, marked_seconds=300.0))
    assert saved.baseline_usd == pytest.approx(cost(Usage(8_000, 500, cached=cached, cache_write=written), asked))


def test_a_cache_that_is_asked_for_an_hour_is_warm_for_an_hour() -> None:
    old = bill(asked=CLAUDE, warmth=replace(WARM, age=3_000.0), marked=1.0, marked_seconds=300.0)
    assert savings(replace(old, marked_seconds=3_600.0)).baseline_usd < savings(old).baseline_usd


def test_what_the_model_that_served_found_cached_the_one_asked_for_would_have_found_too() -> None:
    """The first call of a session: the system prompt is cached since another session had it."""
    saved = savings(bill(usage=Usage(8_000, 500, cached=5_000)))
    assert saved.baseline_usd == cost(Usage(8_000, 500, cached=5_000), GPT)
    assert saved.cache == 0


def test_an_estimate_shows_nothing_of_the_cache() -> None:
    """The model stays, but a broken stream tells no cached tokens: what is trimmed counts as it would warm."""
    stays = bill(served=GPT, served_model="gpt", warmth=replace(WARM, model="gpt"), removed_old=1_000)
    saved = savings(replace(stays, usage=Usage(8_000, 500, estimated=True)))
    assert saved.context == pytest.approx(1_000 * 1.25 / 1e6)


def test_falling_below_a_price_step_is_a_saving_by_context(catalog: Catalog) -> None:
    facts = catalog.lookup("gemini/gemini-2.5-pro")
    assert facts is not None
    pro = facts.tariff
    case = bill(
        asked=pro, served=pro, asked_model="pro", served_model="pro", usage=Usage(190_000, 0), removed_new=20_000
    )
    assert savings(case).context == pytest.approx((210_000 * 2.5 - 190_000 * 1.25) / 1e6)


def test_the_worked_example_of_the_documentation() -> None:
    """Every dollar figure of the example stands in the page as it is computed here."""
    case = Bill(
        asked=GPT,
        asked_model="gpt-4o",
        served=MINI,
        served_model="gpt-5-mini",
        usage=Usage(input=16_000, output=500, cached=12_800),
        removed_old=3_000,
        removed_new=1_000,
        warmth=Warmth("mini", "gpt-5-mini", age=20.0, sent_tokens=14_000, original_tokens=17_000),
        failed_usd=0.0004,
    )
    saved = savings(case)
    actual = cost(case.usage, MINI) + case.failed_usd
    assert saved.total == pytest.approx(saved.baseline_usd - actual)
    page = (Path(__file__).parents[2] / "docs/explanation/savings.md").read_text()
    figures = set(re.findall(r"\$-?\d+\.\d{6}", page))
    untrimmed, trimmed = Usage(20_000, 500, cached=17_000), Usage(16_000, 500, cached=14_000)
    computed = [
        saved.baseline_usd, cost(untrimmed, GPT), cost(untrimmed, MINI), cost(trimmed, MINI), cost(case.usage, MINI),
        actual, case.failed_usd, saved.routing, saved.context, saved.cache, saved.total,
    ]  # fmt: skip
    assert figures == {f"${value:.6f}" for value in computed}


def test_what_the_gateways_own_marks_save_is_the_caches():
    usage = Usage(10_000, 500, cached=7_000, cache_write=2_000)
    told = savings(
        bill(asked=CLAUDE, asked_model="claude", served=CLAUDE, served_model="claude", usage=usage, marked_here=True)
    )
    assert told.baseline_usd == pytest.approx((10_000 * 3 + 500 * 15) / 1e6)
    assert told.cache == pytest.approx((7_000 * 2.7 - 2_000 * 0.75) / 1e6)
    assert (told.routing, told.context) == (0.0, 0.0)


def test_what_was_trimmed_under_the_gateways_own_marks_is_worth_plain_input():
    usage = Usage(10_000, 500, cached=7_000, cache_write=2_000)
    told = savings(
        bill(
            asked=CLAUDE, asked_model="claude", served=CLAUDE, served_model="claude",
            usage=usage, marked_here=True, removed_old=600, removed_new=400,
        )
    )  # fmt: skip
    assert told.context == pytest.approx(1_000 * 3 / 1e6)
    assert told.baseline_usd == pytest.approx((11_000 * 3 + 500 * 15) / 1e6)
