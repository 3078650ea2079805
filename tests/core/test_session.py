"""What is remembered of a conversation, and how its text is sized."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import wire
from gateway.api import ChatRequest, Sizes, Tier, Warmth
from gateway.session import Sessions, SessionState, max_output, prompt_chars
from gateway.state import open_state


def request(*contents, **fields) -> ChatRequest:
    messages = [{"role": "user", "content": content} for content in contents] or [{"role": "user", "content": "hi"}]
    return wire.parse(json.dumps({"model": "auto", "messages": messages, **fields}).encode(), {})


def sizes(state: SessionState, asked: ChatRequest, *removed: int) -> Sizes:
    return state.sizes(asked, prompt_chars(asked), *removed)


def test_before_the_first_answer_sizes_come_from_characters():
    assert sizes(SessionState(), request("x" * 3800)) == Sizes(original=1000, trimmed=1000, output=400)


def test_the_last_answer_tells_how_much_a_character_counts():
    state = SessionState(tokens_per_char=0.5, output_tokens=120.0)
    assert sizes(state, request("x" * 100), 30, 40) == Sizes(original=60, trimmed=30, output=120)


def test_a_trimmed_prompt_is_never_empty():
    assert sizes(SessionState(), request("x" * 38), 500, 38).trimmed == 1


def test_a_character_of_many_bytes_counts_for_more():
    assert sizes(SessionState(), request("中文" * 1_900)).original == 3_000  # o200k makes about 0.7 tokens of each


def test_tools_count_as_prompt():
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert prompt_chars(request("four", tools=tools)) == 4 + len(wire.dumps(tools))


def test_pictures_count_as_a_flat_sum_and_not_by_their_data():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    text = {"type": "text", "text": "x" * 380}
    assert sizes(SessionState(), request([text, picture, sound])).original == 100 + 2 * 800


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 70}, 70),
        ({"max_completion_tokens": 70, "max_tokens": 50}, 70),
        ({"max_completion_tokens": None, "max_tokens": 50}, 50),
        ({"max_tokens": 0}, None),
        ({"max_tokens": -1}, None),
        ({"max_tokens": True}, None),
        ({"max_tokens": "50"}, None),
        ({"max_tokens": 1.5}, None),
    ],
)
def test_the_callers_limit_on_the_answer(fields, limit):
    assert max_output(request(**fields)) == limit


def test_the_callers_limit_bounds_the_expected_answer():
    assert sizes(SessionState(), request(max_tokens=10)).output == 10
    assert sizes(SessionState(output_tokens=5.0), request(max_tokens=10)).output == 5


def test_the_expected_answer_follows_the_newest_ones_slowly():
    state = SessionState()
    assert state.smoothed_output(100) == 100.0
    assert SessionState(output_tokens=100.0).smoothed_output(200) == pytest.approx(130.0)
    assert SessionState(output_tokens=0.0).smoothed_output(10) == pytest.approx(3.0)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_the_expected_answer_stays_within_what_was_seen(lengths):
    state = SessionState()
    for length in lengths:
        state = SessionState(output_tokens=state.smoothed_output(length))
    assert min(lengths) - 1e-6 <= (state.output_tokens or 0.0) <= max(lengths) + 1e-6


def test_warmth_ages_and_never_runs_backwards():
    assert SessionState().warmth(100.0) == Warmth()
    state = SessionState(deployment="d", model="m", tier="weak", at=100.0, sent_tokens=5, original_tokens=7)
    assert state.warmth(130.0) == Warmth("d", "m", 30.0, 5, 7, Tier.WEAK)
    assert state.warmth(90.0).age == 0.0


async def test_a_session_is_remembered_for_an_hour():
    now = [1000.0]
    sessions = Sessions(open_state("memory://", lambda: now[0]), lambda: now[0])
    assert await sessions.get("a/b") == SessionState()
    state = SessionState(deployment="d", model="m", tier="base", at=1000.0, messages=3, tokens_per_char=0.25)
    await sessions.remember("a/b", state)
    assert await sessions.get("a/b") == state
    assert await sessions.get("a/c") == SessionState()
    now[0] += 3601
    assert await sessions.get("a/b") == SessionState()
