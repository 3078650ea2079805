"""Headers that tell of a decision, safe whatever the texts hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import CallRecord, Completed, Complexity, Deployment, RoutePlan, Savings, Tier
from gateway.wire.headers import decision_headers, money_headers, record_headers, safe_value

CHEAP = Deployment(name="weak-1", tier=Tier.WEAK, model="openai/m", provider="openai", upstream_model="m")


def test_a_decision():
    plan = RoutePlan((CHEAP,), Tier.WEAK, "short question → weak\r\nset-cookie: x")
    assert decision_headers(CHEAP, plan, Complexity(2.345, "chat"), (112, 100)) == {
        "x-thriftgate-model": "weak-1",
        "x-thriftgate-tier": "weak",
        "x-thriftgate-complexity": "2.3",
        "x-thriftgate-reason": "short question   weak set-cookie: x",
        "x-thriftgate-tokens-before": "112",
        "x-thriftgate-tokens-after": "100",
        "x-thriftgate-tokens-trimmed": "12",
    }


def test_what_is_unknown_is_left_out():
    plan = RoutePlan((CHEAP,), Tier.WEAK, "as asked")
    assert set(decision_headers(CHEAP, plan, None, None)) == {
        "x-thriftgate-model",
        "x-thriftgate-tier",
        "x-thriftgate-reason",
    }
    assert money_headers(None, None) == {}


def test_money_is_fixed_point_and_keeps_small_sums():
    assert money_headers(0.0000004, -0.25) == {"x-thriftgate-cost-usd": "0.0000004", "x-thriftgate-saved-usd": "-0.25"}
    assert money_headers(0.0, -0.0) == {"x-thriftgate-cost-usd": "0", "x-thriftgate-saved-usd": "0"}
    assert money_headers(120.0, 1e-12) == {"x-thriftgate-cost-usd": "120", "x-thriftgate-saved-usd": "0"}


def record(**fields):
    return CallRecord(
        id="r",
        started=1.0,
        duration=1.0,
        outcome=Completed(),
        caller="ann",
        session="ann/s",
        client="curl",
        dialect="chat",
        stream=False,
        asked="auto",
        **fields,
    )


def test_a_record():
    done = record(
        deployment="weak-1",
        tier=Tier.WEAK,
        complexity=Complexity(9, "coding"),
        reason="fine",
        cost_usd=0.5,
        savings=Savings(routing=1.0, context=0.5, cache=0.0),
        tokens_before=100,
        tokens_after=60,
    )
    assert record_headers(done) == {
        "x-thriftgate-model": "weak-1",
        "x-thriftgate-tier": "weak",
        "x-thriftgate-complexity": "9.0",
        "x-thriftgate-reason": "fine",
        "x-thriftgate-tokens-before": "100",
        "x-thriftgate-tokens-after": "60",
        "x-thriftgate-tokens-trimmed": "40",
        "x-thriftgate-cost-usd": "0.5",
        "x-thriftgate-saved-usd": "1.5",
    }
    assert record_headers(record(savings=Savings(routing=1.0))) == {}


@settings(max_examples=100)
@given(st.text("ab \r\n\x00\x1b\u2028é😀\ud800", max_size=600))
def test_no_text_breaks_out_of_its_header(text):
    value = safe_value(text)
    assert len(value) <= 256
    assert all(" " <= character <= "~" for character in value)
