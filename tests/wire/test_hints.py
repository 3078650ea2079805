"""What callers say to the gateway, and sessions."""

import json

import pytest
from multidict import CIMultiDict

from gateway.api import BadRequest, Caller, Hints, Tier
from gateway.wire import chat
from gateway.wire.hints import conversation_key, session_key

ANN, BOB = Caller("ann"), Caller("bob")


def parsed(body=None, headers=None):
    whole = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]} | (body or {})
    return chat.parse(json.dumps(whole).encode(), headers or {})


def test_headers_are_read_whatever_their_case():
    headers = CIMultiDict(
        {"X-Thriftgate-Tier": " Weak ", "X-ThriftGate-Route": "OFF", "X-Thriftgate-Task-Type": "Coding"}
    )
    assert parsed(headers=headers).hints == Hints(tier=Tier.WEAK, task_type="coding", route=False)


def test_metadata_is_read_and_kept_from_the_upstream():
    metadata = {
        "thriftgate.tier": "base",
        "thriftgate.task_type": "chat",
        "thriftgate.optimize": False,
        "thriftgate.cache": "no",
        "thriftgate.session": "s1",
        "thriftgate.later": "x",
        "user": "u1",
    }
    request = parsed({"metadata": metadata})
    assert request.hints == Hints(tier=Tier.BASE, task_type="chat", session="s1", optimize=False, cache=False)
    assert request.body["metadata"] == {"user": "u1"}


def test_metadata_that_held_hints_only_is_gone_and_other_metadata_stays():
    assert "metadata" not in parsed({"metadata": {"thriftgate.tier": "base"}}).body
    assert parsed({"metadata": {}}).body["metadata"] == {}
    assert parsed({"metadata": None}).body["metadata"] is None


def test_headers_win_over_metadata():
    request = parsed({"metadata": {"thriftgate.tier": "weak"}}, {"x-thriftgate-tier": "strong"})
    assert request.hints.tier is Tier.STRONG
    assert "metadata" not in request.body


@pytest.mark.parametrize("word", ["off", "false", "0", "no", "Off", " NO "])
def test_words_that_switch_off(word):
    hints = parsed(headers={f"x-thriftgate-{name}": word for name in ("route", "optimize", "cache")}).hints
    assert (hints.route, hints.optimize, hints.cache) == (False, False, False)


def test_words_that_leave_it_on():
    assert parsed(headers={"x-thriftgate-route": "on", "x-thriftgate-cache": ""}).hints == Hints()


@pytest.mark.parametrize(
    ("headers", "metadata", "param"),
    [
        ({"x-thriftgate-tier": "huge"}, {}, "x-thriftgate-tier"),
        ({}, {"thriftgate.tier": ["weak"]}, "metadata.thriftgate.tier"),
        ({}, {"thriftgate.tier": "enormous"}, "metadata.thriftgate.tier"),
        ({"x-thriftgate-route": "of"}, {}, "x-thriftgate-route"),
        ({}, {"thriftgate.cache": {}}, "metadata.thriftgate.cache"),
        ({"x-thriftgate-task-type": "x" * 65}, {}, "x-thriftgate-task-type"),
    ],
)
def test_a_hint_that_means_nothing_is_told(headers, metadata, param):
    with pytest.raises(BadRequest) as caught:
        parsed({"metadata": metadata}, headers)
    assert caught.value.param == param
    if "tier" in param:
        assert "weak, base, strong" in caught.value.message


def test_where_a_session_may_be_told_in_order():
    body = {"prompt_cache_key": "d", "metadata": {"session_id": "e", "thriftgate.session": "a2"}}
    headers = {"x-thriftgate-session": "a1", "x-claude-code-session-id": "b", "x-session-id": "c"}
    keys = []
    for name in ("x-thriftgate-session", None, "x-claude-code-session-id", "x-session-id"):
        keys.append(session_key(parsed(body, headers), ANN))
        if name:
            headers.pop(name)
        else:
            del body["metadata"]["thriftgate.session"]
    keys.append(session_key(parsed(body, headers), ANN))
    del body["prompt_cache_key"]
    keys.append(session_key(parsed(body, headers), ANN))
    assert keys == ["ann/a1", "ann/a2", "ann/b", "ann/c", "ann/d", "ann/e"]


def test_no_two_callers_share_a_session():
    request = parsed(headers={"x-thriftgate-session": "one"})
    assert session_key(request, ANN) != session_key(request, BOB)
    assert session_key(parsed(), ANN) != session_key(parsed(), BOB)
    slashed = session_key(parsed(headers={"x-thriftgate-session": "b/c"}), Caller("a"))
    assert slashed != session_key(parsed(headers={"x-thriftgate-session": "c"}), Caller("a/b"))


def test_a_session_may_hold_several_conversations():
    def key(told, **body):
        request = parsed(body, {"x-session-id": told} if told else {})
        return conversation_key(request, session_key(request, ANN))

    main = [{"role": "system", "content": "You mend code."}, {"role": "user", "content": "Go."}]
    later = [*main, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "More."}]
    title = [{"role": "user", "content": "A title, please."}]
    assert key("s", messages=main) == key("s", messages=later)
    assert len({key("s", messages=main), key("s", messages=title), key("t", messages=main)}) == 3
    untold = parsed({"messages": main})
    assert key(None, messages=main) == session_key(untold, ANN)


@pytest.mark.parametrize("told", ["x" * 129, "two\nlines", "späti", "\ud800"])
def test_unruly_session_names_become_plain_keys(told):
    key = session_key(parsed({"prompt_cache_key": told}), ANN)
    assert key.startswith("ann/")
    assert len(key) == len("ann/") + 32
    assert key == session_key(parsed({"prompt_cache_key": told}), ANN)


def conversation(first="fix the bug", system="you are an agent", later=(), tools=()):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": first}, *later]
    return parsed({"messages": messages, "tools": list(tools)})


def test_the_fingerprint_stays_while_the_conversation_grows():
    start = session_key(conversation(), ANN)
    more = [{"role": "assistant", "content": "done"}, {"role": "user", "content": "now another thing"}]
    assert session_key(conversation(later=more), ANN) == start
    assert len(start.removeprefix("ann/")) >= 16


def test_the_fingerprint_tells_conversations_apart():
    tool = {"type": "function", "function": {"name": "bash"}}
    different = [
        conversation(),
        conversation(first="write docs"),
        conversation(system="you are a poet"),
        conversation(tools=[tool]),
        conversation(first=[{"type": "image_url", "image_url": {"url": "data:1"}}]),
        conversation(first=[{"type": "image_url", "image_url": {"url": "data:2"}}]),
    ]
    assert len({session_key(request, ANN) for request in different}) == len(different)


def test_a_wandering_cache_mark_is_the_same_conversation():
    text = {"type": "text", "text": "fix it"}
    image = {"type": "image_url", "image_url": {"url": "data:1"}}
    mark = {"cache_control": {"type": "ephemeral"}}
    marked = session_key(conversation(first=[text, image | mark]), ANN)
    assert marked == session_key(conversation(first=[text | mark, image]), ANN)


def test_a_conversation_without_a_user_has_a_session_too():
    assert session_key(parsed({"messages": [{"role": "system", "content": None}]}), ANN).startswith("ann/")
    assert session_key(parsed({"messages": [{"role": "user", "content": 5}]}), ANN).startswith("ann/")
