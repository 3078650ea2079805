"""Who is offered the tool: decided by what is the same in all requests of a conversation."""

import pytest

from gateway import wire
from gateway.api import RECALL, recall_tool
from gateway.api.recall import LONG_PROMPT
from gateway.recall import offered

HELLO = {"role": "user", "content": "Hello."}


def tool(name, **function):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, **function}}


def request(*names, messages=(HELLO,), headers=None, **fields):
    tools = [tool(name) for name in names]
    body = {"model": "small", "messages": list(messages), **({"tools": tools} if tools else {}), **fields}
    return wire.parse(wire.dumps(body), headers or {})


@pytest.mark.parametrize(
    "name", ["bash", "run_tests", "readFile", "mcp__git__log", "Shell", "query-logs", "execSQL", "fs.view", "HTTPTail"]
)
def test_a_tool_that_brings_machine_output_is_enough(name):
    assert offered(request("get_weather", name), "auto")


@pytest.mark.parametrize("name", ["get_weather", "book_flight", "reader", "logistics", "testimony", "update_order", ""])
def test_small_sets_without_one_get_it_only_where_always_is_said(name):
    assert not offered(request(name), "auto")
    assert offered(request(name), "always")


def test_long_instructions_or_schemas_are_enough_but_no_long_conversation():
    long = "x" * LONG_PROMPT
    assert offered(request("get_weather", messages=[{"role": "system", "content": long}, HELLO]), "auto")
    assert offered(request("get_weather", tools=[tool("get_weather", description=long)]), "auto")
    user = {"role": "user", "content": long}
    assert not offered(request("get_weather", messages=[user]), "auto")
    assert not offered(request("get_weather", messages=[HELLO, {"role": "system", "content": long}]), "auto")


@pytest.mark.parametrize("mode", ["auto", "always"])
@pytest.mark.parametrize(
    "said",
    [
        request(),
        request("bash", n=2),
        request("bash", RECALL),
        request("bash", headers={"x-thriftgate-recall": "off"}),
        request(tools=[]),
        request(tools=[{"type": "web_search"}]),
        request(tools=[{"type": "function"}, None, {"type": "function", "function": {"name": 7}}]),
        request(tools="bash"),
    ],
)
def test_it_is_never_offered_where_it_cannot_be_used(said, mode):
    assert not offered(said, mode)


def test_never_is_never():
    assert not offered(request("bash"), "never")


def test_the_answer_is_the_same_in_every_request_of_a_conversation():
    messages = [HELLO, {"role": "assistant", "content": "Hi."}] * 30
    for names in (("bash",), ("get_weather",)):
        assert len({offered(request(*names, messages=messages[: n + 1]), "auto") for n in range(60)}) == 1


def test_the_definition_is_the_same_each_time_and_nobody_can_change_it():
    recall_tool()["function"]["name"] = "other"
    assert wire.dumps(recall_tool()) == wire.dumps(recall_tool())
    assert recall_tool()["function"]["name"] == RECALL
