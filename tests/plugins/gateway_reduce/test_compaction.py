from __future__ import annotations

import json

import pytest

from gateway_reduce import ReduceSettings, optimize_body
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.compaction import NEWEST
from gateway_reduce.marks import identify
from gateway_reduce.reduction import Reduction


def text_of(number: int) -> str:
    """Lines that no template, listing or repeat explains."""
    words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty", "knoll", "larch"]
    return "\n".join(f"def {words[(number + at) % 12]}_{number}_{at}(x):  # {words[at * 7 % 12]}" for at in range(60))


@pytest.fixture
def body(conversation):
    return conversation(*(text_of(number) for number in range(16)))


def optimized(body, cold_at, *, recall=True, reduction=None):
    made = (reduction or Reduction(ReduceSettings().rules)).optimized(parts_of(body), recall=recall, cold_at=cold_at)
    return with_edits(body, made.edits)["messages"], {kept.id: kept.text for kept in made.stash}


def test_old_results_shrink_at_a_cold_point_and_can_be_asked_for(body):
    count = len(body["messages"])
    messages, stash = optimized(body, count)
    results = [at for at in range(count) if body["messages"][at]["role"] == "tool"]
    for at in results[:-NEWEST]:
        before, after = body["messages"][at]["content"], messages[at]["content"]
        lines = before.split("\n")
        assert after.startswith("\n".join(lines[:3]))
        assert after.endswith("\n".join(lines[-2:]))
        assert identify(before) in after
        assert stash[identify(before)] == before
    assert [messages[at] for at in results[-NEWEST:]] == [body["messages"][at] for at in results[-NEWEST:]]


def test_what_comes_after_a_cold_point_changes_nothing_before_it(body):
    whole, cold_at = body["messages"], 27
    early, _ = optimized({"messages": whole[:cold_at]}, cold_at)
    for upto in range(cold_at, len(whole) + 1):
        later, _ = optimized({"messages": whole[:upto]}, cold_at)
        assert later[:cold_at] == early
        assert later[cold_at:] == whole[cold_at:upto]


@pytest.mark.parametrize(("cold_at", "recall"), [(0, True), (5, True), (33, False)])
def test_a_warm_a_short_and_a_forgetful_conversation_stay(body, cold_at, recall):
    assert optimized(body, cold_at, recall=recall)[0] == body["messages"]


def test_the_lossless_level_compacts_nothing(body):
    reduction = Reduction(ReduceSettings(level="lossless").rules)
    assert optimized(body, 33, reduction=reduction)[0] == body["messages"]


def test_a_pointer_to_a_shrunk_result_says_how_to_ask_for_it(conversation):
    texts = [text_of(number) for number in range(14)]
    body = conversation(*texts, "First other lines.\n" + texts[2])
    messages, stash = optimized(body, len(body["messages"]))
    id = identify(texts[2])
    assert messages[-1]["content"].count(f"as in the result of call_2 (recall {id})") == 1
    assert id in stash


def test_a_json_document_is_named_by_its_keys(conversation):
    document = json.dumps({f"key_{at}": text_of(at)[:300] for at in range(11)})
    body = conversation(document, *(text_of(number) for number in range(14)))
    messages, stash = optimized(body, len(body["messages"]))
    mark = messages[2]["content"]
    assert "a JSON object with key_0, key_1" in mark
    assert "\n" not in mark
    assert stash[identify(document)] == document


def test_the_function_for_bodies_knows_no_cold_points(body):
    assert optimize_body(body) is body


def test_a_result_that_no_pointer_can_name_by_its_id_does_not_shrink(body):
    """Pointers speak of it as `an earlier result of run`: nothing in these words could be turned to the stash."""
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            call["id"] = f'"{call["id"]}"'
        if message["role"] == "tool":
            message["tool_call_id"] = f'"{message["tool_call_id"]}"'
    assert optimized(body, len(body["messages"])) == (body["messages"], {})
