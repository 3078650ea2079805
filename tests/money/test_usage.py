from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import Usage
from gateway.money import estimate_usage, read_usage


def test_openai() -> None:
    usage = read_usage(
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 128},
        }
    )
    assert usage == Usage(2006, 300, cached=1920, reasoning=128)


def test_anthropic_as_litellm_writes_it() -> None:
    usage = read_usage(
        {
            "prompt_tokens": 10_000,
            "completion_tokens": 300,
            "total_tokens": 10_300,
            "prompt_tokens_details": {
                "cached_tokens": 8_000,
                "cache_creation_tokens": 1_900,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 900, "ephemeral_1h_input_tokens": 1_000},
            },
            "cache_creation_input_tokens": 1_900,
            "cache_read_input_tokens": 8_000,
        }
    )
    assert usage == Usage(10_000, 300, cached=8_000, cache_write=1_900, cache_write_1h=1_000)


def test_cache_fields_beside_empty_details() -> None:
    usage = read_usage(
        {
            "prompt_tokens": 100,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 0},
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_1h_input_tokens": 30},
        }
    )
    assert usage == Usage(100, 1, cached=60, cache_write=30, cache_write_1h=30)


def test_deepseek() -> None:
    usage = read_usage(
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}
    )
    assert usage == Usage(100, 5, cached=64)


@pytest.mark.parametrize(
    ("prompt", "total"), [(50, 10_200), (9_990, 20_140)], ids=["less than its parts", "the total tells"]
)
def test_cached_tokens_that_are_counted_beside_the_prompt_are_added(prompt: int, total: int) -> None:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": 200,
        "total_tokens": total,
        "cache_read_input_tokens": 9_000,
        "cache_creation_input_tokens": 950,
    }
    assert read_usage(usage) == Usage(prompt + 9_950, 200, cached=9_000, cache_write=950)


def test_more_cached_than_there_is_prompt_is_not_believed() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 101}}
    assert read_usage(usage) == Usage(100, 5)


def test_a_prompt_of_no_tokens_is_not_believed() -> None:
    """Some servers report zeros where they did not count; such a call was not free."""
    assert read_usage({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}) is None


def test_sound_is_told_apart() -> None:
    usage = {
        "prompt_tokens": 500,
        "completion_tokens": 350,
        "prompt_tokens_details": {"audio_tokens": 400},
        "completion_tokens_details": {"audio_tokens": 300},
    }
    assert read_usage(usage) == Usage(500, 350, audio_input=400, audio_output=300)


def test_reasoning_that_is_counted_apart_is_added() -> None:
    usage = read_usage(
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        }
    )
    assert usage == Usage(32, 103, reasoning=94)


@pytest.mark.parametrize("wrong", [None, True, -1, 1.5, "12", [], {}, float("nan"), 20_000_001])
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_total_that_is_no_count_is_not_believed(field: str, wrong: object) -> None:
    assert read_usage({"prompt_tokens": 10, "completion_tokens": 10, field: wrong}) is None


@pytest.mark.parametrize("nothing", [None, [], "usage", 3, {}])
def test_no_usage_is_none(nothing) -> None:
    assert read_usage(nothing) is None


junk = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
)
details = junk | st.dictionaries(
    st.sampled_from(
        [
            "cached_tokens",
            "cache_creation_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "cache_creation_token_details",
        ]
    ),
    junk | st.dictionaries(st.just("ephemeral_1h_input_tokens"), junk),
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "prompt_tokens",
                "completion_tokens",
                "total_tokens",
                "prompt_tokens_details",
                "completion_tokens_details",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "prompt_cache_hit_tokens",
                "reasoning_tokens",
                "cache_creation",
            ]
        ),
        details | st.integers(0, 10_000),
    )
)
def test_whatever_comes_the_parts_fit_the_whole(usage) -> None:
    read = read_usage(usage)
    if read is None:
        return
    assert read.input >= usage["prompt_tokens"]
    assert read.output >= usage["completion_tokens"]
    assert min(read.cached, read.cache_write, read.reasoning, read.cache_write_1h) >= 0
    assert read.cached + read.cache_write <= read.input
    assert read.cache_write_1h <= read.cache_write
    assert read.reasoning <= read.output
    assert 0 <= read.audio_input <= read.input
    assert 0 <= read.audio_output <= read.output
    assert not read.estimated


def test_an_estimate_rounds_up_and_says_so() -> None:
    assert estimate_usage(prompt_chars=9, output_chars=4) == Usage(3, 1, estimated=True)
    assert estimate_usage(prompt_tokens=700, prompt_chars=9, output_tokens=8) == Usage(700, 8, estimated=True)
    assert estimate_usage(prompt_chars=-5, output_tokens=-5) == Usage(0, 0, estimated=True)
