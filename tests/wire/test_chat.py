"""A body becomes a `ChatRequest`: strict where the gateway must understand, blind where it need not."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import BadRequest, Tier
from gateway.wire import chat, dumps

HELLO = [{"role": "user", "content": "hello"}]


def parsed(body, headers=None):
    return chat.parse(json.dumps(body).encode(), headers or {})


def test_everything_not_ours_passes_untouched():
    body = {
        "model": "auto",
        "messages": [
            {"role": "oracle", "content": [{"type": "hologram", "x": 1}], "mood": None},
            {"role": "user", "content": 7},
            {"role": "assistant", "content": None, "tool_calls": "odd"},
            {"role": "assistant", "tool_calls": [None, {"id": 3, "function": 4}, {"function": {"arguments": {}}}]},
            {"role": "tool", "tool_call_id": ["x"], "content": None},
        ],
        "stream": None,
        "stream_options": None,
        "tools": "none",
        "metadata": ["not", "an", "object"],
        "seed": 2**70,
        "x_vendor": {"deep": [1, {"er": "\ud800"}]},
    }
    request = parsed(body)
    assert request.body == body
    assert json.loads(dumps(request.body)) == body
    assert request.parts == ()
    assert (request.messages, request.stream, request.tools) == (5, False, [])


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ([], None, "invalid_type"),
        ("text", None, "invalid_type"),
        ({"messages": HELLO}, "model", "missing_required_parameter"),
        ({"model": "", "messages": HELLO}, "model", "missing_required_parameter"),
        ({"model": 4, "messages": HELLO}, "model", "invalid_type"),
        ({"model": "m"}, "messages", "missing_required_parameter"),
        ({"model": "m", "messages": {}}, "messages", "invalid_type"),
        ({"model": "m", "messages": "hi"}, "messages", "invalid_type"),
        ({"model": "m", "messages": []}, "messages", "empty_array"),
        ({"model": "m", "messages": [*HELLO, "hi"]}, "messages[1]", "invalid_type"),
        ({"model": "m", "messages": [{"content": "hi"}]}, "messages[0].role", "missing_required_parameter"),
        ({"model": "m", "messages": [{"role": 1}]}, "messages[0].role", "invalid_type"),
        ({"model": "m", "messages": HELLO, "stream": "true"}, "stream", "invalid_type"),
        ({"model": "m", "messages": HELLO, "stream": 1}, "stream", "invalid_type"),
        ({"model": "m", "messages": HELLO, "stream_options": {}}, "stream_options", "invalid_value"),
        (
            {"model": "m", "messages": HELLO, "stream": False, "stream_options": {"include_usage": True}},
            "stream_options",
            "invalid_value",
        ),
        ({"model": "m", "messages": HELLO, "stream": True, "stream_options": 1}, "stream_options", "invalid_type"),
        (
            {"model": "m", "messages": HELLO, "stream": True, "stream_options": {"include_usage": "yes"}},
            "stream_options.include_usage",
            "invalid_type",
        ),
    ],
)
def test_what_the_gateway_must_understand_is_checked(body, param, code):
    with pytest.raises(BadRequest) as caught:
        parsed(body)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_parts_of_a_tool_loop():
    calls = [
        {"id": "a", "type": "function", "function": {"name": "bash", "arguments": '{"c": 1}'}},
        {"id": "b", "type": "custom", "custom": {"name": "patch", "input": "free text"}},
    ]
    request = parsed(
        {
            "model": "auto",
            "messages": [
                {"role": "system", "content": "be brief"},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "one"}, {"type": "image_url"}, {"text": "no type"}],
                },
                {"role": "assistant", "content": "thinking", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "a", "content": "out"},
                {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "done"}]},
                {"role": "tool", "tool_call_id": "lost", "content": ""},
                {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
                {"role": "function", "name": "old", "content": "result"},
            ],
        }
    )
    seen = [(p.path, p.role, p.kind, p.text, p.message, p.call_id, p.tool) for p in request.parts]
    arguments = ("messages", 2, "tool_calls", 0, "function", "arguments")
    assert seen == [
        (("messages", 0, "content"), "system", "text", "be brief", 0, None, None),
        (("messages", 1, "content", 0, "text"), "user", "text", "one", 1, None, None),
        (("messages", 2, "content"), "assistant", "text", "thinking", 2, None, None),
        (arguments, "assistant", "tool_call", '{"c": 1}', 2, "a", "bash"),
        (("messages", 3, "content"), "tool", "tool_result", "out", 3, "a", "bash"),
        (("messages", 4, "content", 0, "text"), "tool", "tool_result", "done", 4, "b", "patch"),
        (("messages", 5, "content"), "tool", "tool_result", "", 5, "lost", None),
        (("messages", 6, "function_call", "arguments"), "assistant", "tool_call", "{}", 6, None, "old"),
        (("messages", 7, "content"), "function", "tool_result", "result", 7, None, "old"),
    ]


words = st.text('ab"\\{é', max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(words, children, max_size=3),
    max_leaves=8,
)
part_like = st.fixed_dictionaries({}, optional={"type": st.sampled_from(["text", "image_url", 1]), "text": json_values})
call_like = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "function": st.fixed_dictionaries({}, optional={"name": json_values, "arguments": json_values}) | json_values,
        "custom": json_values,
    },
)
message_like = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "function", "x"])},
    optional={
        "content": json_values | st.lists(part_like, max_size=3),
        "tool_calls": json_values | st.lists(call_like, max_size=3),
        "function_call": json_values,
        "tool_call_id": json_values,
        "name": json_values,
    },
)


@settings(max_examples=150)
@given(st.lists(message_like, min_size=1, max_size=5))
def test_each_part_stands_where_it_says_whatever_the_messages_hold(messages):
    body = {"model": "m", "messages": messages}
    request = parsed(copy.deepcopy(body))
    assert request.body == body
    for part in request.parts:
        here = request.body
        for key in part.path:
            here = here[key]
        assert here == part.text
        assert part.path[1] == part.message
    assert [part.message for part in request.parts] == sorted(part.message for part in request.parts)


def test_hints_client_and_retries_are_read():
    headers = {
        "user-agent": "AsyncOpenAI/Python 1.66.3",
        "x-stainless-retry-count": "2",
        "x-thriftgate-tier": "strong",
    }
    request = parsed({"model": "auto", "messages": HELLO}, headers)
    assert (request.client, request.retry_count, request.hints.tier) == ("openai-python", 2, Tier.STRONG)


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("OpenAI/Python 1.2", "openai-python"),
        ("OpenAI/JS 4.77.0", "openai-node"),
        ("claude-cli/2.0.1 (external, cli)", "claude-code"),
        ("codex_cli_rs/0.44.0 (Mac OS)", "codex"),
        ("curl/8.5.0", "curl"),
        ("Python/3.11 aiohttp/3.12", "python"),
        ("", ""),
        ("Évil\r\nname" + "x" * 500, "vil"),
    ],
)
def test_client_kinds_are_short_and_plain(agent, kind):
    found = parsed({"model": "auto", "messages": HELLO}, {"user-agent": agent}).client
    assert found.startswith(kind)
    assert len(found) <= 40
    assert all(character.isascii() and (character.isalnum() or character in "._-") for character in found)


@pytest.mark.parametrize("said", ["", "x", "-1", "99999999999999999999", "²"])
def test_a_senseless_retry_count_is_none(said):
    assert parsed({"model": "m", "messages": HELLO}, {"x-stainless-retry-count": said}).retry_count == 0


def test_wants_usage():
    assert chat.wants_usage({"stream_options": {"include_usage": True}})
    assert not chat.wants_usage({"stream_options": {"include_usage": False}})
    assert not chat.wants_usage({"stream_options": None})
    assert not chat.wants_usage({})
