from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from gateway.api import Optimizer
from gateway.wire import chat
from gateway_reduce import Reduce, ReduceSettings, optimize_body
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.reduction import Reduction
from gateway_reduce.tokens import Tokens

VIEW = SimpleNamespace(recall=False, cold_at=0)
NOISY = "\x1b[32mok\x1b[0m\n" * 30 + json.dumps([{"id": n} for n in range(9)])


async def started(**settings) -> Reduce:
    plugin = Reduce(None, ReduceSettings(**settings))  # type: ignore[arg-type]  # it asks its host for nothing
    await plugin.start()
    return plugin


def request_of(body):
    return chat.parse(json.dumps(body).encode(), {})


async def test_the_plugin_and_the_function_agree(conversation):
    plugin, body = await started(), conversation(NOISY, NOISY)
    edits = plugin.optimize(request_of(body), VIEW).edits
    assert isinstance(plugin, Optimizer)
    assert with_edits(body, edits) == optimize_body(body) != body
    assert [(edit.message, edit.transform) for edit in edits] == [(2, "terminal+repeats"), (4, "terminal+repeats")]


async def test_tokens_removed_are_tokens(conversation):
    plugin, tokens = await started(), Tokens()
    body = conversation(NOISY, "x" * 20, NOISY)
    edits = {edit.message: edit for edit in plugin.optimize(request_of(body), VIEW).edits}
    for at, edit in edits.items():
        gone = tokens.count(body["messages"][at]["content"]) - tokens.count(edit.text)
        assert edit.tokens_removed == pytest.approx(gone, abs=3)  # counted by block: a border may join two tokens


async def test_only_the_transforms_asked_for_run(conversation):
    plugin = await started(transforms=["records"])
    assert plugin.optimize(request_of(conversation(NOISY, NOISY)), VIEW).edits == ()
    text = json.dumps([{"identifier": n, "description": "x"} for n in range(30)], indent=1)
    (edit,) = plugin.optimize(request_of(conversation(text)), VIEW).edits
    assert edit.transform == "records"


@pytest.mark.parametrize("settings", [{"transforms": ["summary"]}, {"min_gain": 0}, {"unknown": 1}])
def test_wrong_settings_are_told(settings):
    with pytest.raises(ValidationError):
        ReduceSettings(**settings)


def test_a_json_file_is_left_as_it_stands_for_editing(conversation):
    text = json.dumps({"name": "package", "scripts": {"build": "tsc", "test": "vitest"}}, indent=2)
    read = conversation(text, command="cat package.json")
    assert optimize_body(read) is read
    assert optimize_body(conversation(text, command="curl /package")) != read


def test_parts_are_those_of_the_gateway():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {}}, 3]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "run", "arguments": "{}"}},
            {"id": "b", "type": "custom", "custom": {"name": "patch", "input": "text"}}, None,
        ]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "done"}]},
        {"role": "tool", "tool_call_id": "b", "content": "done"},
        {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
        {"role": "function", "name": "old", "content": "done"},
        {"role": "narrator", "content": "And then"},
    ]  # fmt: skip
    body = {"model": "m", "messages": messages}
    assert parts_of(body) == request_of(body).parts


def test_an_instance_that_forgot_gives_the_same_edits(conversation):
    body = conversation(NOISY, "one\n" * 40, NOISY, NOISY + "two\n" * 9)
    warm = Reduction(ReduceSettings().rules)
    for upto in range(1, len(body["messages"]) + 1):
        growing = warm.optimized(parts_of({"messages": body["messages"][:upto]}), recall=True)
        fresh = Reduction(ReduceSettings().rules)
        assert fresh.optimized(parts_of({"messages": body["messages"][:upto]}), recall=True) == growing


def test_examples_before_the_first_word_of_the_user_lose_their_repeats_and_nothing_later_does():
    shown = "\n".join(f"{at}: the {at * 7 % 13} foxes of example {at} jump" for at in range(40))
    messages = [
        {"role": "system", "content": shown},
        {"role": "user", "content": f"An example:\n{shown}\nEnd."},
        {"role": "user", "content": f"Now do it:\n{shown}"},
        {"role": "assistant", "content": "Shall I?"},
        {"role": "user", "content": f"Yes:\n{shown}"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Thanks."},
    ]
    for upto in (3, 5, 7):
        after = optimize_body({"messages": messages[:upto]})["messages"]
        assert after[1]["content"] == "An example:\n[above: lines 0-39 as in the system prompt]\nEnd."
        assert [*after[:1], *after[2:]] == [*messages[:1], *messages[2:upto]]
