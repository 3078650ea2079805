"""What is added to a body for its provider's cache, and that nothing else changes."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import cache_marks, with_cache_key, with_cache_marks

MARK = {"type": "ephemeral"}
SYSTEM = {"role": "system", "content": "You are terse."}
ASK = {"role": "user", "content": "hello"}
CALLS = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "ok"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def marked_at(*messages):
    """Where a body of these messages is marked: the message, and the piece of it or `None`."""
    places = []
    for at, message in enumerate(with_cache_marks({"messages": list(messages)})["messages"]):
        if message.get("cache_control") == MARK:
            places.append((at, None))
        content = message.get("content")
        for number, piece in enumerate(content if isinstance(content, list) else []):
            if isinstance(piece, dict) and piece.get("cache_control") == MARK:
                places.append((at, number))
    return places


def text(said):
    return {"type": "text", "text": said}


@pytest.mark.parametrize(
    ("messages", "places"),
    [
        ((SYSTEM, ASK), [(0, None), (1, None)]),
        ((ASK,), [(0, None)]),
        ((SYSTEM, ASK, CALLS, RESULT), [(0, None), (3, None)]),
        ((SYSTEM, {"role": "developer", "content": "d"}, ASK), [(1, 0), (2, None)]),
        ((SYSTEM, ASK, SYSTEM), [(0, None), (2, None)]),  # stays where it stands, as a note
        ((SYSTEM,), [(0, None)]),
        ((SYSTEM, ASK, CALLS), [(0, None), (1, None)]),  # a call has no text to be marked
        ((ASK, {"role": "user", "content": "  "}), [(0, None)]),  # nor has a blank
        ((ASK, {"role": "user", "content": [text("a"), text("b")]}), [(1, 1)]),
        ((ASK, {"role": "user", "content": [text("a"), IMAGE]}), [(1, 1)]),
        ((ASK, {"role": "user", "content": [text("a"), text("")]}), [(0, None)]),
        ((ASK, {"role": "user", "content": [text("a"), {"type": "hologram"}]}), [(0, None)]),
        ((ASK, {"role": "user", "content": [1]}), [(0, None)]),
        ((ASK, {**RESULT, "content": [text("a"), text("b")]}), [(1, None)]),  # the result as a whole
        (({"role": "user", "content": ""},), []),
    ],
)
def test_where_the_marks_stand(messages, places):
    assert marked_at(*messages) == places


contents = st.text(max_size=3) | st.none() | st.lists(st.sampled_from([text("x"), text(" "), IMAGE, 7]), max_size=3)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]), "content": contents}
    ),
    min_size=1,
    max_size=6,
)


def without_marks(value):
    if isinstance(value, dict):
        return {name: without_marks(inner) for name, inner in value.items() if name != "cache_control"}
    return [without_marks(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=200)
@given(messages)
def test_marks_are_two_at_the_most_and_all_that_is_added(given_messages):
    body = {"model": "m", "messages": given_messages, "tools": []}
    before = copy.deepcopy(body)
    marked = with_cache_marks(body)
    assert body == before
    for old, new in zip(before["messages"], without_marks(marked)["messages"], strict=True):
        in_pieces = {**old, "content": [text(old["content"])]} if old["role"] == "developer" else old
        assert new in (old, in_pieces)
    assert len(marked_at(*given_messages)) <= 2
    assert (cache_marks(marked) is None) == (not marked_at(*given_messages))


def test_a_key_is_added_where_the_caller_has_none():
    assert with_cache_key({"model": "m"}, "k") == {"model": "m", "prompt_cache_key": "k"}
    assert with_cache_key({"prompt_cache_key": None}, "k") == {"prompt_cache_key": "k"}
    own = {"prompt_cache_key": "mine"}
    assert with_cache_key(own, "k") is own
