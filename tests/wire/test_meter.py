"""The meter agrees with the plainest reading of a stream, and relays the upstream's own bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.meter import StreamMeter
from gateway.wire.sse import DONE, data_of

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}


def event(chunk, **style):
    return b"data: " + json.dumps(chunk, **style).encode() + b"\n\n"


def chunk(delta=None, **fields):
    choice = {"index": 0, "delta": delta or {}, "finish_reason": fields.pop("finish", None)}
    return {"id": "c1", "model": "m1", "choices": [choice]} | fields


COMPACT = {"separators": (",", ":")}

# Texts that look like the fields the meter looks for.
texts = st.sampled_from(["", "hi", '"usage"', ',"usage":null', '{"usage": {}}', "usage", '"error":', "[DONE]", "é😀"])
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": texts | st.none(),
        "reasoning_content": texts,
        "reasoning": texts,
        "usage": st.none(),
        "tool_calls": st.lists(
            st.fixed_dictionaries({"index": st.just(0), "function": st.fixed_dictionaries({"arguments": texts})}),
            max_size=2,
        ),
    },
)
usages = st.sampled_from([None, USAGE, {"prompt_tokens": 1}])
chunks = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"delta": deltas, "finish_reason": st.none() | texts}), max_size=2)},
    optional={"usage": usages, "id": texts, "x": texts, "error": st.just({"message": "broken"})},
)
styles = st.sampled_from([{}, COMPACT, {"separators": (" , ", " : ")}])


def size(text):
    return len(text.encode("utf-8", "surrogatepass"))


def naive(stream, wants_usage):
    """The same by full parsing and rebuilding: what the caller should see, and what should be known."""
    seen, usage, finish, written = [], None, None, 0
    for value in stream:
        if value.get("usage"):
            usage = value["usage"]
        for choice in value["choices"]:
            finish = choice["finish_reason"] if choice["finish_reason"] is not None else finish
            delta = choice["delta"]
            written += size(delta.get("content") or "") + size(
                delta.get("reasoning_content", delta.get("reasoning")) or ""
            )
            written += sum(size(call["function"]["arguments"]) for call in delta.get("tool_calls") or ())
        if wants_usage:
            seen.append(value)
        elif value["choices"] or not value.get("usage") or "error" in value:
            seen.append({key: field for key, field in value.items() if key != "usage"})
    return seen, usage, finish, written


@settings(max_examples=200)
@given(st.lists(st.tuples(chunks, styles), max_size=6), st.booleans())
def test_as_a_naive_reader(stream, wants_usage):
    meter = StreamMeter(wants_usage)
    relayed = [meter.observe(event(value, **style)) for value, style in stream]
    seen, usage, finish, written = naive([value for value, _ in stream], wants_usage)
    assert [json.loads(data_of(item)) for item in relayed if item is not None] == seen
    assert (meter.usage, meter.finish_reason, meter.characters) == (usage, finish, written)
    if written:
        assert meter.first_token


@pytest.mark.parametrize("style", [{}, COMPACT])
def test_an_ordinary_chunk_is_relayed_byte_for_byte(style):
    line = event(chunk({"content": "hi"}), **style)
    for wants_usage in (True, False):
        assert StreamMeter(wants_usage).observe(line) is line
    told = event(chunk({"content": "hi"}, usage=None), **style)
    assert StreamMeter(True).observe(told) is told


def test_a_null_usage_is_cut_out_and_the_rest_keeps_its_bytes():
    line = b'data: {"id":"c1",  "choices":[{"delta":{"content":"say \\"usage\\""}}],"usage":null, "z":1}\n\n'
    assert StreamMeter(False).observe(line) == line.replace(b',"usage":null', b"")


def test_the_usage_chunk_is_for_those_who_asked():
    line = event({"id": "c1", "choices": [], "usage": USAGE})
    kept, dropped = StreamMeter(True), StreamMeter(False)
    assert kept.observe(line) == line
    assert dropped.observe(line) is None
    assert kept.usage == dropped.usage == USAGE


def test_a_chunk_without_choices_that_says_something_else_stays():
    line = event({"id": "c1", "choices": [], "prompt_filter_results": [], "usage": None})
    relayed = StreamMeter(False).observe(line)
    assert json.loads(data_of(relayed)) == {"id": "c1", "choices": [], "prompt_filter_results": []}


def test_the_course_of_a_stream():
    meter = StreamMeter(False)
    meter.observe(b": keep-alive\n\n")
    meter.observe(event({"id": "", "model": "", "choices": []}))
    meter.observe(event(chunk({"role": "assistant", "content": ""})))
    assert (meter.first_token, meter.characters, meter.id, meter.model) == (False, 0, "c1", "m1")
    call = {"index": 0, "id": "t", "function": {"name": "bash", "arguments": ""}}
    meter.observe(event(chunk({"tool_calls": [call]})))
    assert (meter.first_token, meter.characters) == (True, 4)
    meter.observe(event(chunk({}, finish="tool_calls")))
    assert not meter.done
    assert meter.observe(DONE) is None
    assert (meter.done, meter.finish_reason, meter.usage, meter.error) == (True, "tool_calls", None, None)


def test_the_last_word_on_the_service_tier_counts():
    meter = StreamMeter(False)
    for told in ({"service_tier": "auto"}, {"service_tier": None}, {"service_tier": "flex"}, {}):
        meter.observe(event(chunk({"content": "x"}, **told)))
    assert meter.service_tier == "flex"


def test_the_first_choice_gives_the_finish_reason():
    meter = StreamMeter(False)
    for index, reason in ((1, "length"), (0, "stop"), (1, "length")):
        meter.observe(event({"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}))
    assert meter.finish_reason == "stop"


def test_an_error_in_the_stream_is_seen_and_relayed():
    for error, expected in (({"message": "overloaded"}, {"message": "overloaded"}), ("boom", {"message": "boom"})):
        meter = StreamMeter(False)
        line = event({"error": error})
        assert meter.observe(line) == line
        assert meter.error == expected


@pytest.mark.parametrize(
    "data", [b"not json", b"[1, 2]", b'"text"', b"3", b'{"choices": 5}', b'{"choices": [1, {"delta": 2}]}']
)
def test_what_it_does_not_understand_is_relayed_and_counts_for_nothing(data):
    meter = StreamMeter(False)
    line = b"data: " + data + b"\n\n"
    assert meter.observe(line) == line
    assert (meter.characters, meter.usage, meter.done, meter.first_token) == (0, None, False, False)


def test_half_an_emoji_does_not_blind_it():
    meter = StreamMeter(False)
    line = b'data: {"choices":[{"delta":{"content":"\\ud83d"}}],"usage":null}\n\n'
    assert meter.observe(line) == line.replace(b',"usage":null', b"")
    assert meter.characters == 3  # as UTF-8 would have it
