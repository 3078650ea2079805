"""Recognising kinds of work."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import TaskType, Tier
from gateway_complexity.defaults import TASK_TYPES
from gateway_complexity.patterns import beginnings, needs
from gateway_complexity.tasks import Recogniser


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Summarize these logs from last night", "log_summary"),
        ("List all files that import requests", "file_scan"),
        ("Check the syntax of this config", "syntax_check"),
        ("Extract the invoice numbers from this mail", "data_extraction"),
        ("Write a README for this project", "documentation"),
        ("Implement a function that merges two sorted lists", "code_implementation"),
        ("Refactor the session code", "refactoring"),
        ("Fix the bug that makes login fail", "bug_fix"),
        ("Write unit tests for the parser", "test_writing"),
        ("Review this pull request", "code_review"),
        ("Integrate the Stripe API into checkout", "api_integration"),
        ("There is a race condition, find its root cause", "debugging_complex"),
        ("Optimize the performance of this query", "performance_optimization"),
        ("Write a migration plan for the database", "planning"),
        ("Design the architecture of a billing platform", "architecture_design"),
        ("Do a security review of the login code", "security_review"),
        ("Should we migrate to Kubernetes?", "strategic_decision"),
        ("URGENT: production is down", "production_critical"),
    ],
)
def test_each_of_the_18_kinds_is_recognised(score, text, kind):
    complexity = score(text)
    assert complexity.task_type == kind
    assert complexity.confidence >= 0.4
    assert len(TASK_TYPES) == 18


def test_what_the_caller_says_holds(score):
    complexity = score("Summarize these logs", told="planning")
    assert (complexity.task_type, complexity.confidence) == ("planning", 1.0)
    assert "told by the caller" in complexity.reason


def test_a_kind_that_is_not_configured_is_unknown_and_said_so(score):
    complexity = score("Summarize these logs", told="poetry\n")
    assert (complexity.task_type, complexity.confidence, complexity.force) == ("unknown", 0.0, None)
    assert "'poetry\\n' is not configured" in complexity.reason


@pytest.mark.parametrize("told", [None, "security_review"])
def test_some_kinds_force_the_strong_tier(score, told):
    assert score("Do a security review of login.py", told=told).force is Tier.STRONG
    assert score("Do a security review of login.py", told=told, force_strong_for=()).force is None


def test_a_doubtful_recognition_forces_nothing(score):
    mixed = score("List all files, refactor them, write tests for them, and find vulnerabilities in the docs you write")
    assert mixed.confidence < 0.5
    assert mixed.force is None


def turns(*texts):
    roles = ["user", "assistant"]
    return {"messages": [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]}


def test_a_session_keeps_its_kind_while_the_newest_turn_says_nothing_else(score):
    assert score(turns("Refactor the session code", "Done.", "yes, go on")).task_type == "refactoring"
    assert score(turns("Refactor the session code", "Done.", "Now write unit tests for it")).task_type == "test_writing"


def test_a_tool_loop_keeps_its_kind(score):
    body = turns("Fix the bug in parser.py")
    kinds = set()
    for step in range(5):
        kinds.add(score(body).task_type)
        call = {"id": str(step), "type": "function", "function": {"name": "read", "arguments": "{}"}}
        body["messages"] += [
            {"role": "assistant", "content": "Let me refactor and review the code, and plan.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": str(step), "content": "summarize the logs; production outage"},
        ]
    assert kinds == {"bug_fix"}


def test_the_output_of_a_command_sent_as_a_user_turn_is_not_what_was_asked(score):
    output = "<returncode>1</returncode>\n<output>security audit: vulnerabilities found</output>"
    body = turns("Write unit tests for the parser", "```bash\nmake audit\n```", output)
    assert score(body).task_type == "test_writing"


def test_a_pattern_that_is_no_regular_expression_is_named():
    with pytest.raises(ValueError, match="broken: '\\(' is no regular expression"):
        Recogniser([TaskType("broken", 2, ("(",))])


@pytest.mark.parametrize(
    ("pattern", "heads"),
    [
        (r"\brefactor(s|ed)?\b", {"refac"}),
        (r"\b(fix|solve) it", {"fix", "solve"}),
        (r"\bdocs?\b", {"doc"}),
        (r"\b(pen(etration)?|cve-\d+) test", {"pen", "cve"}),
        (r"\b(optional)?thing", None),
        (r"\b(?:fix|solve)\b", None),
        (r"\b[Ff]ix\b", None),
        (r"fix\b", None),
        (r"\bfix|solve\b", None),
        (r"\b\w+ fix", None),
        (r"\b(fix[)]x|solve)", None),
    ],
)
def test_how_a_pattern_begins(pattern, heads):
    assert beginnings(pattern) == (None if heads is None else frozenset(heads))


@pytest.mark.parametrize(
    ("pattern", "heads"),
    [
        (r"\b(fix|solve)\b.{0,60}\b(bugs?|errors?)\b", {"bug", "error"}),
        (r"\bfix .{1,9}\bthe .{1,9}\bbug", {"bug"}),
        (r"\bfix.{0,60}?\bbug", set()),  # a quantifier of another kind
        (r"\bfix\.{0,60}\bbug", set()),  # full stops, and no gap
        (r"\bfix.{0,60}\b(bug)?", set()),
        (r"\b(fix.{0,60}\bbug|solve)", set()),
        (r"\bfix.{0,60}\bbug|solve", set()),
        (r"\b(fix.{0,9}\bbug\(|solve)", set()),
        (r"\b(fix.{0,9}\bbug[(]|solve)", set()),
        (r"\bfix\b", set()),
    ],
)
def test_the_word_that_a_pattern_cannot_do_without(pattern, heads):
    assert needs(pattern) == heads


WORDS = sorted({word for task in TASK_TYPES for pattern in task.patterns for word in re.findall(r"[a-z]{2,}", pattern)})
RECOGNISER = Recogniser(TASK_TYPES)


@settings(max_examples=150)
@given(st.lists(st.sampled_from([*WORDS, "the", "this", "-", "_", "\n", "Fix", "LOGS", "in"]), max_size=25))
def test_looking_at_words_first_misses_nothing(words):
    text = " ".join(words).lower()
    found = {
        task.name for task in TASK_TYPES if any(re.search(pattern, text, re.IGNORECASE) for pattern in task.patterns)
    }
    assert {name for name, _ in RECOGNISER._match(text)} == found
