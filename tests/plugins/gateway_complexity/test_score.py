"""The score: four named factors, their bounds, and that no body breaks it."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_complexity import score_bodies
from gateway_complexity.defaults import FACTORS, TASK_TYPES

NAMES = ["context_size", "task_type", "breadth", "past_failures"]


def test_the_defaults_are_what_the_shipped_file_says(routing):
    assert routing.task_types == TASK_TYPES
    for name in ("task_type", "past_failures"):
        assert dict(routing.factors[name]) == FACTORS[name]
    for name in ("context_size", "breadth"):
        shipped = [(step.get("up_to"), step["points"]) for step in routing.factors[name]]
        assert shipped == [(step.get("up_to"), step["points"]) for step in FACTORS[name]]
    assert set(routing.factors) == set(FACTORS)


def test_a_score_is_the_sum_of_its_factors_and_each_says_why(score):
    complexity = score("Summarize these logs:\n" + "GET /health 200\n" * 40)
    assert [one.name for one in complexity.factors] == NAMES
    assert complexity.score == pytest.approx(sum(one.value for one in complexity.factors))
    assert all(0 <= one.value <= one.maximum and one.reason for one in complexity.factors)
    assert "log_summary" in complexity.reason


@pytest.mark.parametrize(
    ("characters", "points"), [(100, 0), (8_000, 0), (8_100, 0.5), (64_100, 1.5), (256_100, 3.0), (3_000_000, 3.0)]
)
def test_context_size_is_in_steps(score, factor, characters, points):
    assert factor(score("a " * (characters // 2)), "context_size") == points


def test_what_is_not_recognised_is_neutral_and_unsure(score, factor):
    complexity = score("who sings this song")
    assert (complexity.task_type, complexity.confidence) == ("unknown", 0.0)
    assert factor(complexity, "task_type") >= 3.0


def test_longer_and_more_technical_wording_adds_a_fraction(score):
    plain = score("who sings this song").score
    longer = score("who sings this song, and which others did they not write, unless they did, " * 5).score
    technical = score("who sings:\n```python\ndef f(a_b): return g()\n```").score
    assert plain < longer < plain + 1
    assert plain < technical < plain + 1


def test_the_factors_are_data(score, routing, factor):
    flat = {
        **routing.factors,
        "context_size": [{"points": 2}],
        "task_type": {"default": 1},
        "past_failures": {"max": 0},
    }
    complexity = score("who sings this song", factors=flat)
    assert factor(complexity, "context_size") == 2
    assert factor(complexity, "past_failures") == 0
    assert 1 <= factor(complexity, "task_type") < 2


TOOL = {
    "type": "function",
    "function": {
        "name": "triangle_area",
        "description": "Area of a triangle from its base and height.",
        "parameters": {"properties": {"base": {}, "height": {}}, "required": ["base", "height"]},
    },
}


def asked(text, *tools):
    return {"messages": [{"role": "user", "content": text}], "tools": list(tools)}


def test_tools_that_hardly_fit_the_request_make_it_harder(score, factor):
    fits = score(asked("What is the area of a triangle with base 10 and height 5?", TOOL))
    misfits = score(asked("Book a table for two people tonight", TOOL))
    assert factor(misfits, "breadth") > factor(fits, "breadth") + 0.5
    assert "hardly fit" in next(one.reason for one in misfits.factors if one.name == "breadth")


def test_a_tool_that_has_been_called_fits(score, factor):
    body = asked("Book a table for two people tonight", TOOL)
    body["messages"] += [
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "triangle_area", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "25"},
    ]
    assert factor(score(body), "breadth") < factor(score(asked("Book a table for two people tonight", TOOL)), "breadth")


def test_several_things_at_once_and_many_tools_are_broader(score, factor):
    one = factor(score(asked("Find the triangle area of base 3, height 4.", TOOL)), "breadth")
    two = factor(
        score(asked("Find the triangle area of base 3, height 4. Also of base 5. And then of both.", TOOL)), "breadth"
    )
    many = factor(score(asked("Find the triangle area of base 3, height 4.", *[TOOL] * 20)), "breadth")
    assert one < two
    assert one + 1 <= many <= 2


def test_files_count_once_wherever_they_are_named(score, factor):
    few = score("Look at src/a.py and a.py")
    many = score("Look at " + ", ".join(f"src/mod{index}.py" for index in range(12)))
    assert "files named: 1," in next(one.reason for one in few.factors if one.name == "breadth")
    assert factor(many, "breadth") == 1.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Fix parser.py.", 1),
        ('see `src/app/main.c:12`, (README.md) and "data.json"!', 3),
        ("e.g. the U.S. costs 3.50, i.e. much", 0),
        ("call os.path.join() at https://example.com/index.html", 0),
    ],
)
def test_what_a_file_name_is(score, text, count):
    reason = next(one.reason for one in score(text).factors if one.name == "breadth")
    assert reason == f"files named: {count}, tools offered: 0"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
messages = st.lists(
    json_values
    | st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "tool", "system", "developer", "other"]) | json_values,
            "content": st.text()
            | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}))
            | json_values,
            "tool_calls": st.lists(st.fixed_dictionaries({"function": json_values})) | json_values,
        },
    ),
    max_size=5,
)
tools = st.lists(
    st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": json_values, "parameters": json_values})})
)
bodies = (
    st.fixed_dictionaries({"messages": messages | json_values}, optional={"tools": tools | json_values}) | json_values
)


@settings(max_examples=150)
@given(bodies)
def test_any_body_has_a_score_and_always_the_same(body):
    (first,), (again,) = score_bodies([body]), score_bodies([json.loads(json.dumps(body))])
    assert first == again
    assert 1 <= first <= 10
    assert math.isfinite(first)


def test_bodies_are_scored_as_requests_are(score):
    body = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Fix the crash in parser.py, please"}]},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "sh", "arguments": '{"c": "pytest"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "1 failed"},
        ],
        "tools": [TOOL],
    }
    assert score_bodies([body]) == [score(body).score]


def test_a_huge_body_is_read_in_bounds():
    """Reading all of it would match the words in its middle."""
    middle = "x" * 50_000 + " refactor the function " + "x" * 50_000
    assert score_bodies([{"messages": [{"role": "user", "content": middle}]}]) == score_bodies(
        [{"messages": [{"role": "user", "content": middle.replace("refactor", "consider")}]}]
    )


def test_what_was_read_before_changes_nothing_but_the_time(score, agent_turns):
    bodies = [agent_turns(number) for number in range(300)]  # more than are remembered
    forgotten = [score_bodies([body])[0] for body in bodies]
    assert score_bodies(bodies[::-1]) == forgotten[::-1]
    assert [score(body).score for body in bodies[::50]] == forgotten[::50]
    assert len(set(forgotten)) > 3
