"""Which deployments get hints, and when they pay."""

import json
import random

import pytest

from gateway import wire
from gateway.api import Deployment, Price, Tier
from gateway.cache_hints import NO_HINTS, cache_hints, chance_of_next, marks_pay, turns_left

CLAUDE = Price(3.0, 15.0, 0.3, 3.75)
ASK = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f"}}
TWICE = [ASK, {"role": "assistant", "content": "yes?"}, ASK]


def deployment(model, price=CLAUDE, **how):
    provider, _, upstream_model = model.partition("/")
    return Deployment(model, Tier.BASE, model, provider, upstream_model, price=price, **how)


def request(messages=(ASK,), **fields):
    return wire.parse(json.dumps({"model": "auto", "messages": list(messages), **fields}).encode(), {})


def marked(one, asked=None, *, by_caller=False, seen=True):
    return cache_hints(asked or request(), "ann/s", [one], marked=by_caller, seen=seen).marks(one)


@pytest.mark.parametrize(
    ("model", "price", "gets"),
    [
        ("anthropic/claude-sonnet-4-5", CLAUDE, True),
        ("anthropic/claude-of-tomorrow", None, True),
        ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", CLAUDE, True),
        ("vertex_ai/claude-sonnet-4-5", CLAUDE, True),
        ("azure_ai/claude-sonnet-4-5", CLAUDE, True),
        ("bedrock/anthropic.claude-v2", Price(8.0, 24.0), False),  # caches nothing, and refuses to be asked
        ("bedrock/amazon.nova-pro-v1:0", CLAUDE, False),
        ("openrouter/anthropic/claude-sonnet-4-5", CLAUDE, False),
        ("openai/gpt-5", CLAUDE, False),
    ],
)
def test_who_is_marked_for(model, price, gets):
    assert marked(deployment(model, price)) is gets


def test_the_callers_own_marks_are_left_at_that():
    assert not marked(deployment("anthropic/claude-sonnet-4-5"), by_caller=True)


@pytest.mark.parametrize(
    ("asked", "seen", "chance", "turns"),
    [
        (request(), False, 0.2, 1),
        (request(), True, 0.5, 2),
        (request(TWICE), False, 0.5, 2),
        (request(tools=[TOOL]), False, 0.9, 10),
        (request([ASK, {"role": "tool", "tool_call_id": "a", "content": "x"}]), False, 0.9, 10),
    ],
)
def test_what_stands_alone_is_not_marked(asked, seen, chance, turns):
    assert chance_of_next(asked, seen=seen) == chance
    assert turns_left(asked, seen=seen) == turns
    assert marked(deployment("anthropic/claude-sonnet-4-5"), asked, seen=seen) is (chance > 0.28)


@pytest.mark.parametrize("price", [CLAUDE, Price(1.0, 5.0, 0.1, 1.25), Price(2.0, 2.0, 1.9, 3.0), Price(0.0, 0.0)])
@pytest.mark.parametrize("chance", [0.2, 0.5, 0.9])
def test_marks_pay_where_they_do_over_many_conversations(price, chance):
    draw = random.Random(3)  # noqa: S311  # many conversations, no secret
    with_marks = without = 0.0
    for _ in range(4_000):
        with_marks, without = with_marks + price.cache_write if price.cache_write else with_marks, without + price.input
        if draw.random() < chance:
            with_marks, without = with_marks + (price.cache_read or 0.0), without + price.input
    assert marks_pay(price, chance) is (with_marks < without)


def test_a_key_stands_for_the_session_and_does_not_tell_it():
    openai = deployment("openai/gpt-5")
    keys = [
        cache_hints(request(), session, [openai], marked=False, seen=False).added_to({}, openai)["prompt_cache_key"]
        for session in ("ann/secret-project", "ann/secret-project", "ann/other")
    ]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 16
    assert "secret" not in keys[0]


@pytest.mark.parametrize(
    ("model", "base", "gets"),
    [
        ("openai/gpt-5", None, True),
        ("openai/gpt-5", "https://eu.api.openai.com/v1", True),
        ("openai/gpt-5", "http://127.0.0.1:8000/v1", False),
        ("openai/gpt-5", "https://openai.com.example.org/v1", False),
        ("azure/gpt-5", "https://mine.openai.azure.com", False),
        ("groq/llama", None, False),
        ("anthropic/claude-sonnet-4-5", None, False),
    ],
)
def test_who_gets_a_key(model, base, gets):
    one = deployment(model, price=None, api_base=base)
    hints = cache_hints(request(), "s", [one], marked=True, seen=True)
    assert ("prompt_cache_key" in hints.added_to({"messages": []}, one)) is gets


def test_without_hints_the_body_is_the_very_same():
    body = {"messages": [ASK]}
    assert NO_HINTS.added_to(body, deployment("anthropic/claude-sonnet-4-5")) is body
