"""The SDK lane: litellm carries the call, and none of its habits gets through."""

import asyncio

import orjson
import pytest

from gateway.api import UpstreamError, Usage
from gateway.money import read_usage
from gateway.upstream.scripted_dialects import Counts
from gateway.upstream.sdk_errors import translated

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
TOOL = {"type": "function", "function": FUNCTION}
ASK = {"role": "user", "content": "hello"}
BODY = {"model": "auto", "messages": [{"role": "system", "content": "be short"}, ASK]}
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def target(up, deployment):
    """A deployment of each of the three wire formats, through the SDK."""
    bases = {"openai": up.url, "anthropic": up.root, "gemini": f"{up.root}/v1beta"}

    def target(model: str = "openai/gpt-4o-mini", **how):
        return deployment(model, **{"api_base": bases.get(model.partition("/")[0]), "transport": "sdk", **how})

    return target


MODELS = ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"]
SPENT = Counts(1000, 50, cached=600)


def used(answer) -> Usage | None:
    return read_usage(orjson.loads(answer.body).get("usage"))


def merged(events: list[bytes]) -> tuple[str, str, dict | None]:
    """Text, tool arguments and usage out of a stream's chunks."""
    chunks = [orjson.loads(event[6:]) for event in events if not event.startswith(b"data: [DONE]")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    usage = next((chunk["usage"] for chunk in chunks if "usage" in chunk), None)
    return text, "".join(call["function"].get("arguments") or "" for call in calls), usage


@pytest.mark.parametrize("model", MODELS)
async def test_text_tools_and_usage_whole(up, whole, target, model) -> None:
    up.reply(text="hi there", tool_calls=(("f", {"a": "b"}),), usage=SPENT)
    answer = await whole(target(model), {**BODY, "tools": [TOOL]})
    [choice] = orjson.loads(answer.body)["choices"]
    [tool] = choice["message"]["tool_calls"]
    assert choice["message"]["content"] == "hi there"
    assert (tool["function"]["name"], orjson.loads(tool["function"]["arguments"])) == ("f", {"a": "b"})
    assert choice["finish_reason"] == "tool_calls"
    assert used(answer) == Usage(1000, 50, cached=600)


@pytest.mark.parametrize("model", MODELS)
async def test_text_tools_and_usage_streamed(up, events, target, model) -> None:
    up.reply(text="hi there", tool_calls=(("f", {"a": "b"}),), usage=SPENT)
    got = await events(target(model), {**BODY, "tools": [TOOL]})
    text, arguments, usage = merged(got)
    assert (text, orjson.loads(arguments)) == ("hi there", {"a": "b"})
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (1000, 50)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 600
    assert orjson.loads(got[-2][6:])["choices"] == []
    assert got[-1] == b"data: [DONE]\n\n"


async def test_anthropics_prompt_counts_cached_and_written_tokens(up, whole, target) -> None:
    up.reply(text="x", usage=Counts(1000, 50, cached=600, cache_write=100))
    answer = await whole(target("anthropic/claude-sonnet-4-5"))
    assert used(answer) == Usage(1000, 50, cached=600, cache_write=100)


async def test_anthropic_gets_system_image_and_user_in_its_own_shape(up, whole, target) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    parts = [{"type": "text", "text": "look"}, image]
    messages = [{"role": "system", "content": "be short"}, {"role": "user", "content": parts}]
    await whole(target("anthropic/claude-sonnet-4-5"), {"messages": messages, "user": "u-1"})
    body = up.calls[0].body
    assert body["system"] == [{"type": "text", "text": "be short"}]
    assert body["messages"][0]["content"][1]["source"]["media_type"] == "image/png"
    assert body["metadata"] == {"user_id": "u-1"}
    assert up.calls[0].headers["x-api-key"] == KEY


async def test_a_callers_body_reaches_none_of_litellms_levers(up, whole, target) -> None:
    levers = {
        "api_base": "http://127.0.0.1:9",
        "base_url": "http://127.0.0.1:9",
        "api_key": "sk-stolen",
        "mock_response": "mocked",
        "headers": {"x-evil": "1"},
        "extra_headers": {"x-evil": "1"},
        "extra_query": {"evil": "1"},
        "extra_body": {"model": "dearer"},
        "custom_llm_provider": "anthropic",
        "fallbacks": ["openai/gpt-4o"],
        "num_retries": 5,
        "metadata": {"a": "b"},
        "user": "u",
        "top_k": 3,
    }
    answer = await whole(target(), {**BODY, **levers})
    [call] = up.calls
    assert b"mocked" not in answer.body
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert "x-evil" not in call.headers
    assert call.query == {}
    assert call.body["model"] == "gpt-4o-mini"
    # The wire has room for anything: what the caller sent arrives there, and only there.
    assert (call.body["metadata"], call.body["user"], call.body["top_k"]) == ({"a": "b"}, "u", 3)


async def test_levers_do_not_reach_other_wires_either(up, whole, target) -> None:
    body = {**BODY, "api_base": "http://127.0.0.1:9", "mock_response": "mocked", "custom": 1}
    answer = await whole(target("anthropic/claude-sonnet-4-5"), body)
    assert b"mocked" not in answer.body
    assert up.calls[0].body.keys().isdisjoint({"custom", "mock_response", "api_base"})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("server", ["litellm_proxy/mcp", "http://127.0.0.1:9/mcp/all"])
async def test_a_tool_on_a_server_starts_nothing_in_the_gateway(up, whole, target, model, server) -> None:
    tool = {"type": "mcp", "server_label": "x", "server_url": server, "require_approval": "never"}
    await whole(target(model), {**BODY, "tools": [tool]})
    assert len(up.calls) == 1


async def test_the_environment_does_not_move_a_deployment(up, deployment, monkeypatch, litellm) -> None:
    from gateway.upstream.sdk import arguments_for  # noqa: PLC0415  # looks inside

    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"):
        monkeypatch.setenv(name, up.url)
    openai = arguments_for(litellm, deployment("openai/gpt-4o"), BODY, stream=False)
    anthropic = arguments_for(litellm, deployment("anthropic/claude-sonnet-4-5"), BODY, stream=False)
    assert openai["api_base"] == "https://api.openai.com/v1"
    assert anthropic["api_base"] == "https://api.anthropic.com"


@pytest.mark.parametrize("model", MODELS)
async def test_an_error_is_the_upstreams_own_and_costs_one_call(up, whole, target, model) -> None:
    up.reply(status=429, headers={"retry-after": "3"}, error={"message": "slow down", "type": "rate_limit_error"})
    with pytest.raises(UpstreamError) as limited:
        await whole(target(model))
    assert (limited.value.status, limited.value.message, limited.value.retry_after) == (429, "slow down", 3)
    up.reply(status=500)
    with pytest.raises(UpstreamError) as failed:
        await whole(target(model))
    assert (failed.value.fault, failed.value.status, failed.value.message) == ("status", 500, "scripted 500")
    assert len(up.calls) == 2


@pytest.mark.parametrize("model", MODELS)
async def test_what_litellm_blurs_is_told_apart_again(up, whole, target, model) -> None:
    faults = []
    for how in ({"body": b"<html>", "content_type": "text/html"}, {"drop": True}):
        up.reply(**how)
        with pytest.raises(UpstreamError) as caught:
            await whole(target(model))
        faults.append(caught.value.fault)
    with pytest.raises(UpstreamError) as refused:
        await whole(target(model, api_base="http://127.0.0.1:9"))
    up.reply(delay=30)
    with pytest.raises(UpstreamError) as late:
        await whole(target(model), within=0.5)
    assert (faults, refused.value.fault, late.value.fault) == (["protocol", "reset"], "connect", "timeout")


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "gemini/gemini-2.5-flash"])
async def test_a_stream_that_breaks_is_an_error_and_not_an_end(up, call, target, model) -> None:
    up.reply(text="one two three four", cut_after=2)
    answer = await call(target(model), stream=True)
    with pytest.raises(UpstreamError) as caught:
        [event async for batch in answer.events for event in batch]
    assert caught.value.fault == "reset"


async def test_closing_a_stream_closes_the_upstreams_connection(up, call, target) -> None:
    up.reply(text="a b c d e f g h i j k l", gap=0.2)
    answer = await call(target(), stream=True)
    await anext(answer.events)
    await answer.events.aclose()
    await asyncio.wait_for(up.calls[0].closed.wait(), 5)


async def test_a_hundred_equal_chunks_are_no_reason_to_stop(up, events, target) -> None:
    up.reply(chunks=("-",) * 130)
    text, _, _ = merged(await events(target()))
    assert text == "-" * 130


async def test_usage_the_upstream_does_not_report_stays_unknown(up, whole, events, target) -> None:
    up.reply(text="x", usage=None)
    assert used(await whole(target())) is None
    up.reply(text="x", usage=None)
    assert merged(await events(target()))[2] is None


async def test_the_callers_body_is_left_alone(up, whole, target) -> None:
    body = {**BODY, "tools": [TOOL], "metadata": {"a": "b"}}
    before = orjson.dumps(body)
    for model in MODELS:
        await whole(target(model), body)
    assert orjson.dumps(body) == before


def replayed(arguments: object) -> list[dict]:
    """A conversation in which the model once called a function with these arguments."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [ASK, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c"}]


NOT_TO_BE_SAID = [
    {"messages": [{"role": "user", "content": [1, "x"]}]},
    {"messages": [ASK], "tools": [TOOL], "tool_choice": 5},
    {"messages": [ASK], "response_format": "json"},
]
NOT_THERE = [{"messages": replayed("{not json")}, {"messages": [{"role": "wizard", "content": "x"}]}]


@pytest.mark.parametrize("model", MODELS)
async def test_a_request_that_litellm_cannot_translate_is_told_from_a_sick_upstream(up, whole, events, target, model):
    bodies = NOT_TO_BE_SAID + ([] if model.startswith("openai/") else NOT_THERE)
    for body in bodies:
        for ask in (whole, events):
            with pytest.raises(UpstreamError) as caught:
                await ask(target(model), body)
            assert (caught.value.fault, caught.value.code) == ("request", "unsupported")
            assert (caught.value.retryable, caught.value.elsewhere) == (False, True)
    assert up.calls == []


@pytest.mark.parametrize("model", MODELS)
async def test_text_that_litellm_cannot_write_costs_no_call(up, whole, target, model) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(target(model), {"messages": [{"role": "user", "content": "half \ud83d an emoji"}]})
    assert caught.value.fault == "request"
    assert up.calls == []


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"])
@pytest.mark.parametrize("transport", ["auto", "sdk"])
async def test_nothing_is_fetched_from_an_address_in_a_request(up, whole, target, model, transport) -> None:
    there = f"{up.root}/picture"
    parts = [
        {"type": "image_url", "image_url": {"url": there}},
        {"type": "file", "file": {"file_data": there, "format": "application/pdf"}},
    ]
    for part in parts:
        with pytest.raises(UpstreamError) as caught:
            await whole(target(model, transport=transport), {"messages": [{"role": "user", "content": [part]}]})
        assert (caught.value.fault, "data:" in caught.value.message) == ("request", True)


@pytest.mark.parametrize("model", MODELS)
async def test_without_a_key_none_is_taken_out_of_the_environment(up, whole, target, model, monkeypatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, KEY)
    await whole(target(model, api_key=None))
    assert KEY not in str((up.calls[0].headers, up.calls[0].query))


async def test_a_missing_credential_is_not_the_requests_fault(whole, target, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UpstreamError) as caught:
        await whole(target("custom_openai/x", api_key=None, api_base="http://127.0.0.1:9/v1"))
    assert (caught.value.fault, caught.value.code, caught.value.retryable) == ("connect", "misconfigured", False)


@pytest.mark.parametrize("model", MODELS)
async def test_only_the_first_piece_of_a_call_names_it(up, events, target, model) -> None:
    up.reply(tool_calls=(("f", {"a": "b"}), ("f", {"a": "c"})))
    got = await events(target(model), {**BODY, "tools": [TOOL]})
    deltas = [orjson.loads(event[6:])["choices"] for event in got[:-1]]
    calls = [call for [choice] in filter(None, deltas) for call in choice["delta"].get("tool_calls") or ()]
    named = [call["index"] for call in calls if "id" in call]
    assert named == [0, 1]
    assert all(call.keys() == {"index", "function"} for call in calls if "id" not in call)


def test_no_error_shows_the_inside_of_litellm(litellm) -> None:
    said = 'no room\nTraceback (most recent call last):\n  File "/srv/litellm/main.py", line 1'
    error = translated(litellm.InternalServerError(said, llm_provider="openai", model="x"), secret=None)
    assert (error.status, error.message) == (500, "no room")


async def test_an_error_shown_as_bytes_is_read_as_what_it_is(up, events, target) -> None:
    up.reply(status=400, error={"message": "This model's maximum context length is 8 tokens"})
    with pytest.raises(UpstreamError) as caught:
        await events(target("gemini/gemini-2.5-flash"))
    assert caught.value.message == "This model's maximum context length is 8 tokens"
    assert caught.value.code == "context_length_exceeded"
