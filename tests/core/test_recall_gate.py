"""Several upstream streams as one: what goes out at once, what waits, and under which names."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway import wire
from gateway.recall import Gate


def event(delta, finish=None, id="first", created=1, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": id, "created": created, "model": "m", "choices": [choice], **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def call(name=None, arguments="", index=0, id=None):
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    head = {} if name is None else {"id": id or f"call_{index}", "type": "function"}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


def usage(tokens, id="first"):
    chunk = {"id": id, "created": 1, "choices": [], "usage": {"prompt_tokens": tokens}}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def deltas(events):
    chunks = [json.loads(event[6:]) for event in events]
    return [(chunk["choices"][0]["delta"], chunk["choices"][0]["finish_reason"]) for chunk in chunks]


ROLE = event({"role": "assistant", "content": ""})
ASKS = [event(call("recall")), event(call(None, '{"id":"a"}'))]
END = event({}, "tool_calls")


def test_text_goes_out_at_once_and_calls_wait_for_the_end():
    gate = Gate({})
    others = [event(call("bash")), event(call(None, "{}")), event({"content": "behind"}), END]
    assert gate.pass_on([ROLE, event({"content": "a"})]) == [ROLE, event({"content": "a"})]
    assert gate.pass_on(others) == []
    assert gate.message() is None
    assert gate.rest() == others


def test_the_word_alone_holds_nothing_back():
    gate = Gate({})
    said = [event({"content": 'the key "tool_calls"', "tool_calls": None}), event({}, "tool_calls")]
    assert gate.pass_on(said) == said
    assert not gate.holding


def test_a_recall_behind_another_call_is_seen():
    gate = Gate({})
    gate.pass_on([ROLE, event(call("bash")), event(call("recall", '{"id":"a"}', index=1)), END])
    message = gate.message()
    assert [one["function"]["name"] for one in message["tool_calls"]] == ["bash", "recall"]


def test_a_call_that_only_speaks_of_a_recall_is_none():
    gate = Gate({})
    events = [event(call("bash", '{"cmd":"echo"}')), event({"tool_calls": [{"index": 0, "x": "recall"}]}), END]
    gate.pass_on(events)
    assert gate.message() is None
    assert gate.rest() == events


def test_where_one_call_only_may_come_its_name_opens_the_gate():
    gate = Gate({"parallel_tool_calls": False})
    first, second = event(call("bash")), event(call(None, "{}"))
    assert gate.pass_on([first]) == [first]
    assert gate.pass_on([second, END]) == [second, END]
    gate = Gate({"parallel_tool_calls": False})
    assert gate.pass_on(ASKS) == []
    assert gate.message()


def test_a_second_stream_goes_on_under_the_first_ones_name():
    gate = Gate({})
    gate.pass_on([ROLE, event({"content": "Let me see."}), *ASKS, END, usage(10)])
    gate.go_on(gate.message())
    later = {"id": "second", "created": 9}
    told = gate.pass_on(
        [
            event({"role": "assistant", "content": ""}, **later),
            event({"role": "assistant", "content": "Here"}, **later),
            event({"content": " it is."}, **later),
            b": a comment\n\n",
            event({}, "stop", **later),
            usage(20, "second"),
        ]
    )
    assert told.pop(2) == b": a comment\n\n"
    assert {(json.loads(one[6:])["id"], json.loads(one[6:])["created"]) for one in told} == {("first", 1)}
    assert deltas(told[:3]) == [({"content": "\n\nHere"}, None), ({"content": " it is."}, None), ({}, "stop")]
    assert json.loads(told[3][6:])["usage"] == {"prompt_tokens": 20}
    assert gate.rest() == []


def test_a_first_chunk_that_has_no_name_gives_none():
    gate = Gate({})
    azure = b'data: {"id":"","created":0,"choices":[],"prompt_filter_results":[]}\n\n'
    gate.pass_on([azure, ROLE, event({"content": "Let me see."}), *ASKS, END])
    gate.go_on(gate.message())
    [told] = gate.pass_on([event({"content": "Here"}, id="second")])
    assert json.loads(told[6:])["id"] == "first"


def test_without_its_recalls_an_answer_keeps_its_other_calls_its_usage_and_its_end():
    gate = Gate({})
    gate.pass_on([ROLE, event(call("recall", '{"id":"a"}')), event(call("bash", "{}", index=1)), END, usage(10)])
    assert gate.drop_recalls(gate.message())
    *told, counted = gate.rest()
    [(delta, none), (empty, finish)] = deltas(told)
    assert [(one["index"], one["function"]["name"]) for one in delta["tool_calls"]] == [(0, "bash")]
    assert (none, empty, finish) == (None, {}, "tool_calls")
    assert counted == usage(10)
    assert gate.message() is None


def test_nothing_but_a_recall_leaves_nothing():
    gate = Gate({})
    gate.pass_on([ROLE, *ASKS, END])
    assert not gate.drop_recalls(gate.message())


def test_signed_thoughts_and_calls_go_back_as_they_came():
    """Anthropic's and Gemini's models want their signatures with the calls that they belong to."""
    gate = Gate({})
    thoughts = [
        {"thinking_blocks": [{"type": "thinking", "thinking": "Let ", "signature": ""}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "me see.", "signature": None}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]},
    ]
    signed = call("recall", '{"id":"a"}')
    signed["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "abc"}}
    gate.pass_on([ROLE, *map(event, thoughts), event(signed), END])
    message = gate.message()
    assert message["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "abc"}}


def test_free_text_beside_a_recall_goes_back_as_it_came():
    gate = Gate({})
    head = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** "}}
    more = {"index": 0, "custom": {"input": "Begin"}}
    gate.pass_on([ROLE, event({"tool_calls": [head]}), event({"tool_calls": [more]})])
    gate.pass_on([event(call("recall", '{"id":"a"}', index=1)), END])
    patch, _ = gate.message()["tool_calls"]
    assert patch == {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}


JUNK = st.one_of(
    st.just(b"data: [DONE]\n\n"),
    st.just(b": nothing\n\n"),
    st.just(b'data: {"tool_calls" half\n\n'),
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=2)
    ).map(lambda value: b"data: " + wire.dumps({"choices": value, "x": "tool_calls"}) + b"\n\n"),
    st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)).map(
        lambda value: event({"tool_calls": value})
    ),
)


@given(st.lists(JUNK, max_size=12))
def test_whatever_comes_is_neither_lost_nor_changed(events):
    gate = Gate({})
    assert gate.pass_on(events) + ([] if gate.message() else gate.rest()) == events
