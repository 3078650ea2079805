"""Past failures, read from the request's own history."""

import pytest


def run(*steps, asked="Fix the bug in parser.py", then=None):
    """A tool loop: each step is a command and its output."""
    messages = [{"role": "user", "content": asked}]
    for index, (command, output) in enumerate(steps):
        call = {"id": str(index), "type": "function", "function": {"name": "sh", "arguments": command}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": str(index), "content": output},
        ]
    if then:
        messages += [{"role": "assistant", "content": "Done."}, {"role": "user", "content": then}]
    return {"messages": messages}


@pytest.mark.parametrize(
    "output",
    [
        "Error: no such table",
        "Traceback (most recent call last):\n  File ...\nKeyError: 'a'",
        "=== 2 failed, 14 passed in 0.31s ===",
        "bash: foo: command not found",
        "cat: x: No such file or directory",
        "exit code 1",
        "<returncode>2</returncode>",
        "collected 3 items\n" + "." * 5_000 + "\nE   AssertionError: 1 != 2",
        '{"is_error": true, "content": "x"}',
    ],
)
def test_a_result_that_failed(score, factor, output):
    assert factor(score(run(("make", output))), "past_failures") > 0


@pytest.mark.parametrize(
    "output",
    [
        "14 passed in 0.31s",
        "0 failed, 14 passed",
        "exit code 0",
        "def handle_error(e): ...",
        "the word failed in a long text that says nothing of the command",
        "",
    ],
)
def test_a_result_that_did_not(score, factor, output):
    assert factor(score(run(("make", output))), "past_failures") == 0


def test_more_failures_weigh_more_up_to_a_bound(score, factor):
    shares = [
        factor(score(run(*[(f"step {n}", "Error: x") for n in range(count)])), "past_failures") for count in range(7)
    ]
    assert shares[:5] == sorted(set(shares[:5]))
    assert shares[4] == shares[6] == 0.5


def test_the_same_call_again_at_once_is_a_sign_and_a_test_run_after_an_edit_is_not(score, factor):
    assert factor(score(run(("ls", "a"), ("ls", "a"))), "past_failures") > 0
    assert factor(score(run(("pytest", "ok"), ("edit a", "ok"), ("pytest", "ok"))), "past_failures") == 0


@pytest.mark.parametrize(
    "then", ["No, that's wrong.", "It still fails", "that doesn't work", "Same error", "you forgot the tests"]
)
def test_a_user_who_corrects(score, factor, then):
    assert factor(score(run(then=then)), "past_failures") == 0.25


@pytest.mark.parametrize("then", ["Thanks! Now add a changelog entry.", "Nothing else", "Notice the new file"])
def test_a_user_who_goes_on(score, factor, then):
    assert factor(score(run(then=then)), "past_failures") == 0


def test_a_first_turn_corrects_nobody(score, factor):
    assert factor(score("It still fails, fix the bug"), "past_failures") == 0


def test_failures_long_ago_are_forgotten(score, factor):
    failed = [(f"try {n}", "Error: x") for n in range(4)]
    assert factor(score(run(*failed, *[(f"step {n}", "ok") for n in range(30)])), "past_failures") == 0


def test_everything_at_once_is_the_maximum(score, factor):
    assert factor(score(run(*[("ls", "Error: x")] * 6, then="No, still broken")), "past_failures") == 1.0
