from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import Price, Usage
from gateway.money import Catalog, Rates, Step, Tariff, cost, worst_case

dollars = st.floats(0, 200, allow_nan=False)
tokens = st.integers(0, 2_000_000)


@st.composite
def usages(draw) -> Usage:
    cached, written, plain = draw(tokens), draw(tokens), draw(tokens)
    reasoning, said = draw(tokens), draw(tokens)
    return Usage(
        input=cached + written + plain,
        output=reasoning + said,
        cached=cached,
        cache_write=written,
        reasoning=reasoning,
        cache_write_1h=draw(st.integers(0, written)),
    )


prices = st.builds(Price, dollars, dollars, st.none() | dollars, st.none() | dollars)
rates = st.builds(
    Rates, dollars, dollars, st.none() | dollars, st.none() | dollars, st.none() | dollars, st.none() | dollars
)


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        # 1,000 x $2.50 + 500 x $10
        ("gpt-4o", Usage(1_000, 500), 0.0075),
        # 200 x $2.50 + 800 x $1.25 + 500 x $10
        ("gpt-4o", Usage(1_000, 500, cached=800), 0.0065),
        # 100 x $3 + 8,000 x $0.30 + 1,900 x $3.75 + 300 x $15
        ("claude-sonnet-4-5", Usage(10_000, 300, cached=8_000, cache_write=1_900), 0.014325),
        # the same, 1,000 of the written ones for an hour at $6
        ("claude-sonnet-4-5", Usage(10_000, 300, cached=8_000, cache_write=1_900, cache_write_1h=1_000), 0.016575),
        # a long prompt: all of it at $2.50, its answer at $15
        ("gemini/gemini-2.5-pro", Usage(250_000, 1_000), 0.64),
        # at the mark it is still short: $1.25 and $10
        ("gemini/gemini-2.5-pro", Usage(200_000, 1_000), 0.26),
        # cached tokens count towards the mark: 50,000 x $2.50 + 200,000 x $0.25 + 1,000 x $15
        ("gemini/gemini-2.5-pro", Usage(250_000, 1_000, cached=200_000), 0.19),
        # reasoning has its own price: 1,000 x $0.40 + 100 x $1.20 + 900 x $4
        ("dashscope/qwen-plus-2025-04-28", Usage(1_000, 1_000, reasoning=900), 0.00412),
    ],
)
def test_bills_agree_with_the_providers_price_pages(catalog: Catalog, model, usage, dollars) -> None:
    facts = catalog.lookup(model)
    assert facts is not None
    assert cost(usage, facts.tariff) == pytest.approx(dollars, abs=1e-12)


def test_unknown_stays_unknown() -> None:
    assert cost(None, Price(1.0, 1.0)) is None
    assert cost(Usage(1, 1), None) is None


@given(usages())
def test_free_costs_nothing(usage: Usage) -> None:
    assert cost(usage, Price(0.0, 0.0)) == 0


@given(usages(), rates)
def test_never_negative(usage: Usage, rates: Rates) -> None:
    assert cost(usage, Tariff(rates)) >= 0


@given(st.lists(st.integers(0, 100), min_size=6, max_size=6), rates)
def test_a_usage_that_contradicts_itself_costs_no_less_than_nothing(counts: list[int], rates: Rates) -> None:
    usage = Usage(counts[0], counts[1], counts[2], counts[3], counts[4], cache_write_1h=counts[5])
    assert cost(usage, Tariff(rates)) >= 0


@given(usages(), usages(), rates)
def test_two_calls_cost_what_each_costs(one: Usage, other: Usage, rates: Rates) -> None:
    both = Usage(
        input=one.input + other.input,
        output=one.output + other.output,
        cached=one.cached + other.cached,
        cache_write=one.cache_write + other.cache_write,
        reasoning=one.reasoning + other.reasoning,
        cache_write_1h=one.cache_write_1h + other.cache_write_1h,
    )
    tariff = Tariff(rates)
    assert cost(both, tariff) == pytest.approx(cost(one, tariff) + cost(other, tariff))


@given(usages(), rates, st.integers(1, 10_000), st.sampled_from(["input", "output"]), st.integers(0, 1_000_000))
def test_more_tokens_never_cost_less(usage: Usage, rates: Rates, more: int, field: str, over: int) -> None:
    dearer = Rates(**{name: None if rate is None else rate * 2 for name, rate in asdict(rates).items()})
    tariff = Tariff(rates, steps=(Step(over, dearer),))
    longer = replace(usage, **{field: getattr(usage, field) + more})
    assert cost(longer, tariff) >= cost(usage, tariff)


@given(usages(), prices)
def test_a_missing_cache_price_is_the_input_price(usage: Usage, price: Price) -> None:
    plain = replace(price, cache_read=None, cache_write=None)
    spelled = replace(price, cache_read=price.input, cache_write=price.input)
    assert cost(usage, plain) == pytest.approx(cost(usage, spelled))


@given(usages(), rates)
def test_no_call_costs_more_than_its_worst_case(usage: Usage, rates: Rates) -> None:
    worst = worst_case(Tariff(rates), usage.input, usage.output)
    assert worst is not None
    assert cost(usage, Tariff(rates)) <= worst * (1 + 1e-9) + 1e-12


def test_a_worst_case_needs_a_price_and_an_end() -> None:
    assert worst_case(None, 10, 10) is None
    assert worst_case(Price(1.0, 1.0), 10, None) is None
    assert worst_case(Price(0.0, 0.0), 10, None) == 0
    assert worst_case(Price(1.0, 2.0), 1_000_000, 1_000_000) == 3.0
