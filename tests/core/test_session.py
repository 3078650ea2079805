"""What is remembered of a conversation, and how its text is sized."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import wire
from gateway.api import ChatRequest, Sizes, Tier, Warmth
from gateway.session import Sessions, SessionState, kept_seconds, max_output, prompt_chars
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


async def test_a_session_is_remembered_for_a_day():
    now = [1000.0]
    sessions = Sessions(open_state("memory://", lambda: now[0]), lambda: now[0])
    assert await sessions.get("a/b") == SessionState()
    state = SessionState(deployment="d", model="m", tier="base", at=1000.0, messages=3, tokens_per_char=0.25)
    await sessions.remember("a/b", state)
    assert await sessions.get("a/b") == state
    assert await sessions.get("a/c") == SessionState()
    now[0] += 86_401
    assert await sessions.get("a/b") == SessionState()


def test_a_conversations_cold_point():
    fresh = SessionState()
    assert fresh.cold_point(5, now=100.0, kept=300.0) == 5
    known = SessionState(deployment="d", at=100.0, cold_at=5)
    assert known.cold_point(9, now=399.0, kept=300.0) == 5
    assert known.cold_point(9, now=400.0, kept=300.0) == 9
    assert known.cold_point(4, now=101.0, kept=300.0) == 4


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([1.0, 299.0, 300.0, 900.0])), min_size=1, max_size=20))
def test_a_cold_point_only_grows_while_the_conversation_does(turns):
    state, messages, now = SessionState(), 0, 0.0
    for more, pause in turns:
        messages, now = messages + more, now + pause
        cold_at = state.cold_point(messages, now, kept=300.0)
        assert state.cold_at <= cold_at <= messages
        assert (cold_at == messages) is (state.deployment is None or pause >= 300.0)
        state = SessionState(deployment="d", at=now, cold_at=cold_at)


@pytest.mark.parametrize(
    ("model", "marks", "seconds"),
    [
        ("openai/gpt-5", None, 600.0),
        ("anthropic/claude-sonnet-4-5", None, 300.0),
        ("anthropic/claude-sonnet-4-5", wire.CacheMarks(3, 3_600.0), 3_600.0),
        ("deepseek/deepseek-chat", None, 7_200.0),
        ("nobody/knows", None, 300.0),
        (None, None, 300.0),
    ],
)
def test_how_long_a_prompt_is_kept(model, marks, seconds):
    assert kept_seconds(model, marks) == seconds


def watched(*reports, expected=10_000, trimmed=True):
    state = SessionState()
    for cached in reports:
        state = state.watched(cached, expected, trimmed=trimmed)
    return state


@pytest.mark.parametrize(
    ("reports", "stops"),
    [
        ((9_000, 4_999, 4_999), True),
        ((9_000, 4_999, 5_000, 4_999), False),  # not two in a row
        ((9_000, 0, 0, 9_000), True),  # for the rest of it
        ((6_000, 0, 0, 0), False),  # it never was much better
        ((0, 0, 0, 0), False),  # it never reports any
    ],
)
def test_when_the_cache_does_not_take_trimmed_prompts(reports, stops):
    assert watched(*reports).untrimmed is stops
    assert not watched(*reports, trimmed=False).untrimmed
    assert not watched(*reports, expected=2_000).untrimmed


def test_whether_a_request_goes_on_from_the_one_before():
    first = request("one", "two")
    state = SessionState(messages=first.messages, chars=prompt_chars(first))
    for contents, goes_on in (
        (("one", "two", "three"), True),
        (("one", "two"), True),
        (("one", "TWO!", "three"), False),
        (("one",), False),
    ):
        asked = request(*contents)
        assert state.continued_by(asked, prompt_chars(asked)) is goes_on
