"""What holds for every conversation, whatever is in it."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce import ReduceSettings, optimize_body
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.reduction import Reduction
from gateway_reduce.tokens import Tokens

TOKENS = Tokens()

PROSE = "The first sentence has enough words to be known again. The second one has as many of them as the first. " * 3
LINES = st.sampled_from(
    [
        PROSE,
        f"Document [3] (Title) {PROSE} And an ending.",
        "  " + PROSE.replace(". ", ".\n "),
        "first line of a numbered file\nsecond line of a numbered file\nthird line of a long numbered file",
        "1:first line of a numbered file\n2:second line of a numbered file\n3:third line of a long numbered file",
        "",
        " ",
        "}",
        "def a_function_of_some_length(argument):",
        "    return a_value_of_some_length",
        "     1\tfirst line of a numbered file",
        "     2\tsecond line of a numbered file",
        "\x1b[31mred\x1b[0m and then plain, for long enough",
        "10% done of it all\r20% done of it all\r30% done of it all\r40% done of it all",
        "padded" + " " * 30,
        '{"a": 1, "b": [1.10, 2]}',
        "(Open file: /repository/src/module.py)",
        "Document [1] " + "a passage of many words " * 12,
        "Document [2] " + "a passage of many words " * 12,
        "[above: that line 49 times more]",
        '[above: 3 lines as in the result of call_1, beginning "x"]',
        "lone \ud800 surrogate, which no encoding takes",
        "\x00\x01\x02 binary \x7f\x85\u2028",
    ]
)
DOCUMENTS = st.sampled_from(
    [
        json.dumps([{"identifier": n, "description": "the same"} for n in range(12)], indent=2),
        json.dumps({"stdout": "a line of output that is long\n" * 9 + 'say "hi"\n', "code": 0}),
        json.dumps({"stdout": "C:\\new\\name\n" * 12 + "a line of output that is long\n" * 5, "code": 0}),
        '{"broken": [1, 2',
        "[" * 3_000,
    ]
)
TEXTS = st.lists(LINES, max_size=14).map("\n".join) | DOCUMENTS | st.text(max_size=60)
CONTENTS = (
    TEXTS
    | st.none()
    | st.lists(
        st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS})
        | st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})
        | st.just({"type": "something_new", "text": ["?"]})
        | st.just("bare"),
        max_size=3,
    )
)
KEYS = st.sampled_from(["messages", "role", "content", "tool_calls", "function", "text", "type"])
IDS = st.sampled_from(["call_1", "call_2", 'q"uote', "", None])
ARGUMENTS = st.sampled_from(["{}", "not json", '{"path": "x.json"}', '{"view_range": [1, 9]}']) | TEXTS.map(
    lambda text: json.dumps({"t": text})
)


@st.composite
def turns(draw):
    kind = draw(st.sampled_from(["pair", "pair", "pair", "user", "assistant", "odd"]))
    if kind == "pair":
        call_id = draw(IDS)
        arguments = draw(ARGUMENTS)
        called = {"id": call_id, "type": "function", "function": {"name": "run", "arguments": arguments}}
        return [
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": call_id, "content": draw(CONTENTS)},
        ]
    if kind == "odd":
        return [draw(st.sampled_from([{"role": "tool"}, {"role": None}, {"role": "developer", "content": {"a": 1}}]))]
    return [{"role": kind, "content": draw(CONTENTS)}]


BODIES = st.lists(turns(), max_size=7).map(lambda some: {"messages": [message for turn in some for message in turn]})


@settings(max_examples=120, deadline=None)
@given(BODIES)
def test_every_rule_at_once(body):
    before = copy.deepcopy(body)
    after = optimize_body(body)
    assert body == before, "the body given is not changed"

    edits = Reduction(ReduceSettings().rules).optimized(parts_of(body), recall=False).edits
    assert with_edits(body, edits) == after, "deterministic, whatever is remembered"

    parts = {part.path: part for part in parts_of(body)}
    first_word = _first_word(body["messages"])
    for edit in edits:
        part = parts[edit.path]
        example = part.role == "user" and part.message < first_word
        assert part.kind == "tool_result" or example, "nothing but results and examples is edited"
        assert edit.tokens_removed > 0
        assert TOKENS.count(edit.text) < TOKENS.count(part.text), "it never grows"
        if _is_json(part.text):
            whole, as_lines = edit.text.startswith("[above: "), "\n" in part.text and "\n[above: " in edit.text
            assert _is_json(edit.text) or whole or as_lines, "JSON stays JSON, or says what stands in its place"

    places = {edit.path: part.text for edit in edits for part in [parts[edit.path]]}
    restored = with_edits(after, [_edit_back(edit, places[edit.path]) for edit in edits])
    assert restored == body, "all else is as it was"

    assert optimize_body(after) == after, "idempotent"

    for upto in range(first_word + 1, len(body["messages"])):
        start = optimize_body({"messages": body["messages"][:upto]})["messages"]
        assert start == after["messages"][:upto], "what comes later changes nothing"


def _first_word(messages):
    """The last of the users' messages that a conversation begins with."""
    last = 0
    for at, message in enumerate(messages):
        if message.get("role") == "user":
            last = at if isinstance(message["content"], str | list) and _texts(message["content"]) else last
        elif _texts(message.get("content")) or message.get("tool_calls"):
            break
    return last


def _texts(content):
    if isinstance(content, list):
        return [piece for piece in content if isinstance(piece, dict) and isinstance(piece.get("text"), str)]
    return [content] if isinstance(content, str) else []


def _edit_back(edit, text):
    return type(edit)(edit.path, text, edit.transform, edit.message, 0)


def _is_json(text):
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return text[:1] in ("{", "[")


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
        max_leaves=12,
    )
)
def test_any_json_at_all_is_taken(value):
    body = value if isinstance(value, dict) else {"messages": value}
    assert optimize_body(body) == body


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        " " * 1_000_000 + "x",
        "\n" * 300_000,
        "ab\n" * 200_000,
        "[above: " * 100_000,
        ("a" * 199 + " b") * 5_000,
        '{"a": "' + "\\n" * 200_000 + '"}',
        '["' + '\\"' * 200_000 + '"]',
        "\r" * 500_000,
    ],
)
def test_a_megabyte_of_anything(text, conversation):
    body = conversation(text, text + "y", text)
    after = optimize_body(body)
    assert optimize_body(after) == after


def test_thousands_of_tiny_messages(conversation):
    body = conversation(*(f"result {n % 7}" for n in range(3_000)))
    assert optimize_body(body) is body
