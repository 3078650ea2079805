"""Providers with a wire of their own: our lane sends what `litellm.acompletion` sends, and reads what it reads.

Named differences in what is sent, each on purpose:
- A field that neither OpenAI nor the provider knows is left out, since the provider would refuse the whole request;
  litellm sends it.

Named differences in what is read:
- `id` is the upstream's own where it gives one.
- litellm's estimate of the cost is left out, and so are its hollow fields.
- In streams, litellm adds zero counts of reasoning, and makes one token
  of an empty answer; ours says what was reported.
"""

from copy import deepcopy
from typing import Any

import orjson
import pytest

from gateway.api import Usage
from gateway.money import read_usage
from gateway.upstream.providers import TRANSLATED, provider_class
from gateway.upstream.scripted_dialects import Counts
from gateway.wire import DONE, with_cache_marks

PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "strict": True, "parameters": PARAMETERS}}
# Anthropic allows no slash in a name: it is renamed on the way there and back.
SLASHED = {"type": "function", "function": {"name": "files/read", "parameters": {"type": "object", "properties": {}}}}
TWO_TOOLS = {"tools": [TOOL, SLASHED]}
ASK = {"role": "user", "content": "hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
ADDRESS = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
PDF = {"type": "file", "file": {"filename": "x.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PARAMETERS}}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
SHORT = {"cache_control": {"type": "ephemeral"}}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000}
THOUGHT = {"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}]}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def called(*ids: str, **more: Any) -> dict[str, Any]:
    calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": '{"a":"b"}'}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def result(of: str, content: Any = "r") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": of, "content": content}


SYSTEM = {"role": "system", "content": "s"}
LOOP = [ASK, called("c1"), result("c1"), {"role": "assistant", "content": "so"}, ASK, called("c2"), result("c2")]
OLD = {"role": "assistant", "content": "x", "refusal": None, "tool_calls": None}
SAMPLING = {"temperature": 0.3, "top_p": 0.9, "seed": 1, "frequency_penalty": 0.5, "n": 1, "logprobs": True}

BODIES: dict[str, dict[str, Any]] = {
    "plain": {"messages": [SYSTEM, ASK]},
    "developer": {"messages": [SYSTEM, {"role": "developer", "content": "d"}, ASK, OLD, SYSTEM, ASK]},
    "tool loop": {"messages": LOOP, "tools": [TOOL]},
    "parallel": {"messages": [ASK, called("c1", "c2"), result("c1"), result("c2", [text("part")])], **TWO_TOOLS},
    "one at a time": {"messages": [ASK], "parallel_tool_calls": False, **TWO_TOOLS},
    "tools of old": {"messages": [ASK, called("c1"), result("c1"), ASK]},
    "image as result": {"messages": [ASK, called("c1"), result("c1", [text("see"), IMAGE])], "tools": [TOOL]},
    "auto": {"messages": [ASK], "tool_choice": "auto", **TWO_TOOLS},
    "required": {"messages": [ASK], "tool_choice": "required", **TWO_TOOLS},
    "none": {"messages": [ASK], "tool_choice": "none", **TWO_TOOLS},
    "one tool": {"messages": [ASK], "tool_choice": {"type": "function", "function": {"name": "f"}}, **TWO_TOOLS},
    "image": {"messages": [user(text("look"), IMAGE)]},
    "image at an address": {"messages": [user(text("look"), ADDRESS)]},
    "pdf": {"messages": [user(text("read"), PDF)]},
    "cached": {
        "messages": [{"role": "system", "content": [text("s", **HOUR)]}, user(text("a", **SHORT))],
        "tools": [{**TOOL, **HOUR}],
    },
    "cached messages": {"messages": [{**SYSTEM, **HOUR}, {**ASK, **SHORT}]},
    "schema": {"messages": [ASK], **SCHEMA},
    "schema, then tools": {**SCHEMA, **TWO_TOOLS, "messages": [ASK]},
    "tools, then schema": {"tool_choice": "auto", **TWO_TOOLS, **SCHEMA, "messages": [ASK]},
    "json": {"messages": [ASK], "response_format": {"type": "json_object"}},
    "stop": {"messages": [ASK], "stop": "x", "max_tokens": 50},
    "stops": {"messages": [ASK], "stop": ["x", "y"], "max_completion_tokens": 50},
    "sampling": {"messages": [ASK], "user": "u-1", **SAMPLING},
    "top_k": {"messages": [ASK], "top_k": 5},
    "some effort": {"messages": [ASK], "reasoning_effort": "low", "max_tokens": 4000},
    "no effort": {"messages": [ASK], "reasoning_effort": "none"},
    "thinking": {"messages": [ASK], **THINKING},
    "thoughts of old": {"messages": [ASK, called("c1", **THOUGHT), result("c1")], "tools": [TOOL], **THINKING},
    "unknown": {"messages": [ASK], "custom": 1, "store": True, "verbosity": "low", "service_tier": "auto"},
    "metadata": {"messages": [ASK], "metadata": {"user_id": "u-2", "x": "y"}},
    "nulls": {"messages": [ASK, OLD, ASK], "temperature": None, "tools": None, "stop": None},
    "name": {"messages": [{"role": "user", "name": "bob", "content": "hi"}]},
    "empty": {"messages": [{"role": "user", "content": ""}]},
    "prefill": {"messages": [ASK, {"role": "assistant", "content": "Well, "}]},
    "web search": {"messages": [ASK], "web_search_options": {"search_context_size": "low"}},
    "automatic caching": {"messages": [ASK], **SHORT},
}
MODELS = [
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-opus-4-6",
    "anthropic/claude-3-5-haiku-20241022",
    "anthropic/a-model-of-tomorrow",
    "gemini/gemini-2.5-flash",
    "gemini/gemini-3-pro-preview",
]
# What needs `acompletion` around the class, which calls others first; the SDK lane's tests are about those.
NOT_OURS = {("gemini", "image at an address"), ("gemini", "cached"), ("gemini", "cached messages")}
TRANSPORT = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length", "x-client-request-id"}


def headers_of(call: Any) -> dict[str, Any]:
    """Beta names come out of a set, so in any order."""
    return {name: sorted(value.split(",")) for name, value in call.headers.items() if name not in TRANSPORT}


@pytest.fixture
def target(up, deployment):
    def target(model: str, **how: Any):
        base = up.root if model.startswith("anthropic/") else f"{up.root}/v1beta"
        return deployment(model, **{"api_base": base, **how})

    return target


@pytest.fixture
def theirs(litellm):
    async def theirs(target, body: dict[str, Any], *, stream: bool) -> Any:
        more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer = await litellm.acompletion(
            model=target.model,
            api_key=target.api_key,
            api_base=target.api_base,
            max_retries=0,
            timeout=10,
            drop_params=True,
            **deepcopy(body),
            **more,
        )
        if stream:
            return [chunk.model_dump(exclude_none=True) async for chunk in answer]
        return answer.model_dump(exclude_none=True)

    return theirs


def test_every_translated_provider_is_in_the_contract() -> None:
    assert {model.partition("/")[0] for model in MODELS} == TRANSLATED


@pytest.mark.parametrize(
    "model_and_stream", [*((model, False) for model in MODELS), (MODELS[0], True), (MODELS[-1], True)]
)
async def test_the_same_request_as_litellms(up, call, target, theirs, model_and_stream) -> None:
    model, stream = model_and_stream
    unequal = set()
    for name, body in BODIES.items():
        if (model.partition("/")[0], name) in NOT_OURS:
            continue
        up.calls.clear()
        before = orjson.dumps(body)
        up.reply(text="so")
        up.reply(text="so")
        answer = await call(target(model), body, stream=stream)
        if stream:
            [event async for batch in answer.events for event in batch]
        assert orjson.dumps(body) == before
        await theirs(target(model), body, stream=stream)
        mine, litellms = up.calls
        assert mine.headers["user-agent"] == "thriftgate"
        assert (mine.path, mine.query) == (litellms.path, litellms.query)
        assert headers_of(mine) == headers_of(litellms), name
        for field in mine.body.keys() | litellms.body.keys():
            if mine.body.get(field) != litellms.body.get(field):
                unequal.add((name, field))
    assert unequal == ({("unknown", "custom")} if model.startswith("anthropic/") else set())


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where marks stand in what was sent."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if isinstance(value, dict) and value.get("cache_control") == SHORT["cache_control"] else []
    return found + [place for key, child in inside for place in places_of(child, (*path, key))]


def unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: unmarked(child) for name, child in value.items() if name != "cache_control"}
    return [unmarked(child) for child in value] if isinstance(value, list) else value


@pytest.mark.parametrize("transport", ["auto", "sdk"])
async def test_the_marks_that_are_added_come_out_at_the_ends_and_change_nothing_else(
    up, call, target, transport
) -> None:
    claude = target(MODELS[0], transport=transport)
    for name, body in BODIES.items():
        if "cache" in name or "caching" in name or name == "empty":
            continue
        up.calls.clear()
        for sent in (body, with_cache_marks(body)):
            up.reply(text="so")
            await call(claude, sent, stream=False)
        plain, marked = (one.body for one in up.calls)
        assert not places_of(plain), name
        assert unmarked(marked) == plain, name
        places = places_of(marked)
        last = len(marked["messages"]) - 1
        ends = [("messages", last, "content", len(marked["messages"][last]["content"]) - 1)]
        if "system" in marked:
            ends.append(("system", len(marked["system"]) - 1))
        if name == "pdf":  # a piece that carries none
            continue
        assert sorted(places, key=str) == sorted(ends, key=str), name


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("azure_ai", "claude-sonnet-4-5"),
        ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("vertex_ai", "claude-sonnet-4-5"),
    ],
)
def test_the_sdk_carries_the_marks_to_others_that_serve_claude(litellm, provider, model) -> None:
    """Two of them, and nothing else changes. Bedrock says them in its own words."""
    config = provider_class(litellm, provider, model)

    def sent(body: dict[str, Any]) -> Any:
        params = config.map_openai_params(
            {"tools": deepcopy(body.get("tools", [])), "max_tokens": 9}, {}, model, drop_params=True
        )
        return config.transform_request(
            model=model,
            messages=deepcopy(body["messages"]),
            optional_params={**params, "is_vertex_request": False},
            litellm_params={},
            headers={},
        )

    for name in ("plain", "tool loop", "parallel", "image"):
        body = {**BODIES[name], "messages": [SYSTEM, *BODIES[name]["messages"]]}
        marked = orjson.dumps(sent(with_cache_marks(body))).decode()
        point = '{"cachePoint":{"type":"default"}}' if provider == "bedrock" else '"cache_control":{"type":"ephemeral"}'
        assert marked.count(point) == 2, name
        assert marked.replace(f",{point}", "") == orjson.dumps(sent(body)).decode(), name


FINISHED = {
    "cut": {"anthropic": "max_tokens", "gemini": "MAX_TOKENS"},
    "refused": {"anthropic": "refusal", "gemini": "SAFETY"},
    "stopped": {"anthropic": "stop_sequence", "gemini": "STOP"},
    "paused": {"anthropic": "pause_turn", "gemini": "OTHER"},
}
SPENT = Counts(1000, 50, cached=600, cache_write=100, cache_write_1h=40)
# (fields of the request, the scripted reply)
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({}, {"text": "one two three", "usage": SPENT}),
    "calls": (TWO_TOOLS, {"tool_calls": (("f", {"a": "b"}), ("f", {}))}),
    "both": (TWO_TOOLS, {"text": "I look. ", "tool_calls": (("files_read", {"a": "b"}),)}),
    "thinking": (THINKING, {"thinking": "hm hm", "text": "so", "usage": Counts(10, 50, reasoning=20)}),
    "thinking calls": (THINKING | TWO_TOOLS, {"thinking": "hm", "tool_calls": (("f", {"a": "b"}),)}),
    "schema": (SCHEMA, {"text": '{"a": "b"}'}),
    "schema as a call": (SCHEMA, {"tool_calls": (("json_tool_call", {"a": "b"}),)}),
    "schema and call": (SCHEMA | TWO_TOOLS, {"tool_calls": (("json_tool_call", {"a": "b"}), ("f", {"a": "b"}))}),
    **{name: ({}, {"text": "so", "finish": reasons}) for name, reasons in FINISHED.items()},
}


def plain_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Without the cost, and without the zero count of reasoning that litellm adds to streams."""
    given = usage.get("completion_tokens_details") or {}
    details = {name: count for name, count in given.items() if count}
    return {**usage, "completion_tokens_details": details, "cost": None}


def whole_of(answer: dict[str, Any]) -> dict[str, Any]:
    [choice] = answer["choices"]
    message = choice["message"]
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()]
    return {
        "text": message.get("content"),
        "calls": calls,
        "reasoning": message.get("reasoning_content"),
        "thoughts": message.get("thinking_blocks") or [],
        "finish": choice["finish_reason"],
        "usage": plain_usage(answer["usage"]),
        "model": answer["model"],
    }


def merged(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """What a stream's chunks amount to."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    deltas = [choice["delta"] for choice in choices]
    calls: dict[int, list[str]] = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls") or ()):
        name, arguments = calls.setdefault(call["index"], ["", ""])
        function = call["function"]
        calls[call["index"]] = [name + (function.get("name") or ""), arguments + (function.get("arguments") or "")]
    return {
        "text": "".join(delta.get("content") or "" for delta in deltas),
        "calls": calls,
        "reasoning": "".join(delta.get("reasoning_content") or "" for delta in deltas),
        "thoughts": [block for delta in deltas for block in delta.get("thinking_blocks") or ()],
        "finish": [choice["finish_reason"] for choice in choices if choice.get("finish_reason")],
        "usage": [plain_usage(chunk["usage"]) for chunk in chunks if chunk.get("usage")],
    }


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", MODELS[2], "gemini/gemini-2.5-flash"])
async def test_the_same_answer_as_litellms(up, call, target, theirs, model) -> None:
    provider = model.partition("/")[0]
    for name, (more, how) in ANSWERS.items():
        body = {"messages": [ASK], **more}
        said = {**how, "finish": how["finish"][provider]} if "finish" in how else how
        for _ in range(4):
            up.reply(**said)
        mine = whole_of(orjson.loads((await call(target(model), body)).body))
        assert mine == whole_of(await theirs(target(model), body, stream=False)), name
        got = await call(target(model), body, stream=True)
        chunks = [orjson.loads(event[6:]) async for batch in got.events for event in batch if event != DONE]
        assert merged(chunks) == merged(await theirs(target(model), body, stream=True)), name
    assert all(call.headers["user-agent"] == "thriftgate" for call in up.calls[::4])


async def test_the_tokens_are_counted_as_openai_counts_them(up, whole, events, target) -> None:
    spent = Usage(1000, 50, cached=600, cache_write=100, cache_write_1h=40)
    model = "anthropic/claude-sonnet-4-5"
    up.reply(text="x", usage=SPENT)
    assert read_usage(orjson.loads((await whole(target(model))).body)["usage"]) == spent
    up.reply(text="x", usage=SPENT)
    assert read_usage(orjson.loads((await events(target(model)))[-2][6:])["usage"]) == spent


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"])
async def test_a_stream_has_openais_form(up, events, target, model) -> None:
    up.reply(text="one two", tool_calls=(("f", {"a": "b"}), ("f", {"a": "c"})))
    got = await events(target(model), {"messages": [ASK], **TWO_TOOLS})
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in got)
    assert got[-1] == b"data: [DONE]\n\n"
    chunks = [orjson.loads(event[6:]) for event in got[:-1]]
    assert {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        (chunks[0]["id"], "chat.completion.chunk", chunks[0]["created"], chunks[0]["model"])
    }
    *said, finish, usage = chunks
    assert [chunk["choices"][0]["delta"].get("role") for chunk in said] == ["assistant"] + [None] * (len(said) - 1)
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in said)
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "tool_calls")
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 18)
    calls = [call for chunk in said for call in chunk["choices"][0]["delta"].get("tool_calls") or ()]
    firsts = [next(call for call in calls if call["index"] == index) for index in (0, 1)]
    assert all(call["id"] and call["type"] == "function" and call["function"]["name"] == "f" for call in firsts)
    assert all("id" not in call and "name" not in call["function"] for call in calls if call not in firsts)
