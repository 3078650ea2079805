"""Edits make a new body and leave the old one as it was."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import Edit
from gateway.wire import chat
from gateway.wire.edits import apply, by_transform, edited, shares


def edit(path, text="new"):
    return Edit(path=path, text=text, transform="test", message=0, tokens_removed=1)


def request_of(contents):
    messages = [
        {
            "role": "user",
            "content": content if isinstance(content, str) else [{"type": "text", "text": t} for t in content],
        }
        for content in contents
    ]
    body = {"model": "auto", "messages": messages, "tools": [{"deep": {"er": 1}}]}
    return chat.parse(json.dumps(body).encode(), {})


words = st.text("ab ", max_size=4)


@settings(max_examples=80)
@given(st.lists(words | st.lists(words, min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_chosen_texts_change_and_nothing_else(contents, data):
    request = request_of(contents)
    before = copy.deepcopy(request.body)
    chosen = data.draw(st.sets(st.sampled_from(range(len(request.parts)))))
    result = edited(request, [edit(request.parts[number].path, f"new {number}") for number in chosen])

    assert request.body == before
    assert result.body.keys() == before.keys()
    for number, (old, new) in enumerate(zip(request.parts, result.parts, strict=True)):
        assert new.text == (f"new {number}" if number in chosen else old.text)
    assert tuple(chat.parts_of(result.body["messages"])) == result.parts


def test_what_no_edit_touches_is_shared():
    request = request_of(["one", "two", ["three", "four"]])
    result = apply(request.body, [edit(("messages", 2, "content", 1, "text")), edit(("messages", 0, "content"))])
    assert result["tools"] is request.body["tools"]
    assert result["messages"][1] is request.body["messages"][1]
    assert result["messages"][2]["content"][0] is request.body["messages"][2]["content"][0]
    assert result["messages"][2]["content"][1] is not request.body["messages"][2]["content"][1]


def test_of_two_edits_of_one_place_the_later_holds():
    request = request_of(["one"])
    path = ("messages", 0, "content")
    assert edited(request, [edit(path, "first"), edit(path, "second")]).body["messages"][0]["content"] == "second"


def test_no_edits_no_copy():
    request = request_of(["one"])
    assert edited(request, []) is request


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("nowhere",),
        ("messages",),
        ("messages", 9, "content"),
        ("messages", 0, "nothing"),
        ("messages", 0, "content", 0, "text"),
        ("model", "x", "y"),
        ("messages", "0", "content"),
    ],
)
def test_an_edit_where_no_text_stands_is_refused(path):
    with pytest.raises(ValueError, match="edit"):
        apply(request_of(["one"]).body, [edit(path)])


def cut_by(transform, tokens, *split):
    return Edit(("messages", 0), "x", transform, 0, tokens, split)


def test_tokens_by_transform():
    cuts = [cut_by("a", 5), cut_by("a+b", 7), cut_by("b+c", 10, 1, 9), cut_by("c+a+b", 3, 1)]
    assert by_transform(cuts) == {"a": 5 + 4 + 1, "b": 3 + 1 + 1, "c": 9 + 1}


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), st.integers(0, 1_000))
def test_shares_add_up(names, tokens):
    assert sum(shares(cut_by("+".join(names), tokens))) == tokens
