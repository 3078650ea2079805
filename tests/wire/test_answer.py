"""Whole answers, from a body and from a stream's events."""

import json

import pytest

from gateway.api import ToolCall, UpstreamError
from gateway.wire.answer import collect, read_answer
from gateway.wire.sse import DONE

MESSAGE = {
    "role": "assistant",
    "content": "hello",
    "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "bash", "arguments": '{"c": 1}'}}],
}
BODY = {
    "id": "c1",
    "object": "chat.completion",
    "model": "m1",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}],
    "service_tier": "default",
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}


def chunk(delta, finish=None, index=0, **fields):
    value = {"id": "c1", "object": "chat.completion.chunk", "model": "m1"} | fields
    value["choices"] = [{"index": index, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def call(index, **piece):
    return {"tool_calls": [{"index": index} | piece]}


def test_a_body():
    answer = read_answer(json.dumps(BODY).encode())
    assert answer.text == "hello"
    assert answer.tool_calls == (ToolCall("t1", "bash", '{"c": 1}'),)
    assert (answer.finish_reason, answer.usage, answer.body) == ("tool_calls", BODY["usage"], BODY)
    assert answer.service_tier == "default"


def test_a_stream_spells_out_the_same_answer():
    events = [
        b": keep-alive\n\n",
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "hel"}),
        chunk({"content": "lo"}),
        chunk(call(0, id="t1", type="function", function={"name": "bash", "arguments": ""})),
        chunk(call(0, function={"arguments": '{"c": '})),
        chunk(call(0, function={"arguments": "1}"})),
        chunk({}, "tool_calls", service_tier="default"),
        b"data: " + json.dumps({"id": "c1", "choices": [], "usage": BODY["usage"]}).encode() + b"\n\n",
        DONE,
    ]
    assert collect(events) == read_answer(json.dumps(BODY).encode())


def test_calls_side_by_side_wherever_their_numbers_start():
    events = [
        chunk(call(1, id="a", function={"name": "f", "arguments": "1"})),
        chunk(call(2, id="b", function={"name": "g", "arguments": "2"})),
        chunk(call(1, function={"arguments": "1"})),
        chunk({"tool_calls": [{"id": "c", "function": {"name": "h", "arguments": "{}"}}]}, "tool_calls"),
    ]
    assert collect(events).tool_calls == (ToolCall("a", "f", "11"), ToolCall("b", "g", "2"), ToolCall("c", "h", "{}"))


def test_the_first_choice_is_read_and_all_are_kept():
    answer = collect([chunk({"content": "two"}, "stop", index=1), chunk({"content": "one"}, "length", index=0)])
    assert (answer.text, answer.finish_reason) == ("one", "length")
    assert [choice["message"]["content"] for choice in answer.body["choices"]] == ["one", "two"]


def test_content_in_parts_and_odd_fields():
    body = {
        "choices": [{"message": {"content": [{"type": "text", "text": "a"}, 3, {"text": "b"}], "tool_calls": [None]}}]
    }
    answer = read_answer(json.dumps(body).encode())
    assert (answer.text, answer.tool_calls, answer.finish_reason, answer.usage) == ("ab", (), None, None)


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [1]}', b""])
def test_what_is_no_answer(raw):
    with pytest.raises(UpstreamError) as caught:
        read_answer(raw)
    assert caught.value.fault == "protocol"
    assert caught.value.elsewhere


@pytest.mark.parametrize("events", [[], [DONE], [b"data: {\n\n"], [b"data: 3\n\n"]])
def test_a_stream_that_spells_no_answer(events):
    with pytest.raises(UpstreamError) as caught:
        collect(events)
    assert caught.value.fault == "protocol"


@pytest.mark.parametrize(
    ("error", "fault", "status", "retryable", "elsewhere"),
    [
        ({"message": "slow down", "code": 429}, "status", 429, True, True),
        ({"message": "too many", "code": "503"}, "status", 503, True, True),
        ({"message": "bad field", "code": 400, "param": "x"}, "status", 400, False, False),
        ({"message": "gone", "code": "server_error"}, "protocol", None, True, True),
        ("plain words", "protocol", None, True, True),
    ],
)
def test_an_error_where_an_answer_should_stand(error, fault, status, retryable, elsewhere):
    raw = json.dumps({"error": error}).encode()
    for read in (lambda: read_answer(raw), lambda: collect([b"data: " + raw + b"\n\n"])):
        with pytest.raises(UpstreamError) as caught:
            read()
        found = caught.value
        assert (found.fault, found.status, found.retryable, found.elsewhere) == (fault, status, retryable, elsewhere)
        assert found.message == (error if isinstance(error, str) else error["message"])
