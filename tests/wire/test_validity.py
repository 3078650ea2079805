"""A trimmed body that does not say what the caller's did is found out."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import Edit
from gateway.wire import Validity, chat, edited

RECORDS = json.dumps([{"id": number, "state": "ok"} for number in range(9)], indent=1)


def flaw_of(before, after, spoil=lambda body: None):
    """What is found of a result that became `after`, in a body that is spoilt besides."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": before}]},
    ]
    body = {"model": "auto", "messages": messages, "tools": [{"name": "f"}], "seed": 1}
    request = chat.parse(json.dumps(body).encode(), {})
    edits = [Edit(("messages", 2, "content", 0, "text"), after, "t", 2, 1)]
    trimmed = edited(request, edits).body
    trimmed = spoil(trimmed) or trimmed
    return Validity().flaw(request.body, trimmed, edits, [before])


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("a long line", "a line", None),
        ("a long line", "", "emptied"),
        ("a long line", " \n", "emptied"),
        (" ", "", None),
        ("emoji 😀", "emoji \ud83d", "utf8"),
        ("cut \ud83d off", "cut \ud83d", None),  # the caller's own half of an emoji
        (RECORDS, '{"columns":["id"],"rows":[[1]]}', None),
        (RECORDS, '"[above: as in call_7]"', None),
        (RECORDS, "[above: the same as the result of call_7]", None),
        (RECORDS, "[left out: a list of 9 records]\n[recall 3fa9c1d27b04 shows what was left out]", None),
        (RECORDS, RECORDS[:40], "json"),
        (RECORDS, '[{"id": 1}]\n[recall 3fa9c1d27b04 shows what was left out]', "json"),
        ("[INFO] started\n[INFO] done]", "[INFO] started", None),  # looks as a list, and is none
        ("{ not JSON }", "{ not }", None),
    ],
)
def test_what_may_become_of_a_text(before, after, found):
    assert flaw_of(before, after) == found


def with_messages(change):
    def spoil(body):
        messages = copy.deepcopy(body["messages"])
        change(messages)
        return {**body, "messages": messages}

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        with_messages(lambda messages: messages.pop()),
        with_messages(lambda messages: messages.reverse()),
        with_messages(lambda messages: messages[0].update(role="system")),
        with_messages(lambda messages: messages[0]["content"].pop()),
        with_messages(lambda messages: messages[1].update(tool_calls=[])),
        with_messages(lambda messages: messages[2].update(tool_call_id="b")),
        with_messages(lambda messages: messages[2].update(name="more")),
        with_messages(lambda messages: messages[2]["content"].append({"type": "text", "text": "more"})),
        lambda body: {**body, "tools": []},
        lambda body: {**body, "tools": [{"name": "g"}, *body["tools"]]},
        lambda body: {**body, "tools": [*body["tools"], {}, {}]},
        lambda body: {**body, "seed": 2},
        lambda body: {name: value for name, value in body.items() if name != "seed"},
        lambda body: {**body, "more": 1},
    ],
)
def test_nothing_but_the_edited_texts_may_differ(spoil):
    assert flaw_of("a long line", "a line", spoil) == "structure"


def test_one_more_tool_at_the_end_is_allowed():
    assert flaw_of("a long line", "a line", lambda body: {**body, "tools": [*body["tools"], {"name": "r"}]}) is None


@settings(max_examples=200)
@given(st.text(), st.text())
def test_the_check_raises_nothing_and_remembers_nothing_wrong(before, after):
    validity = Validity()
    assert flaw_of("[1]", "[1]") is None
    first = validity._text_flaw(before, after)
    assert validity._text_flaw(before, after) == first
