"""The provider lane over a wire that is not OpenAI's: how it fails, what it keeps to itself, and whom it passes on."""

import asyncio

import orjson
import pytest

from gateway.api import UpstreamError
from gateway.upstream import Timeouts
from gateway.upstream.anthropic import Anthropic
from gateway.upstream.gemini import Gemini
from gateway.upstream.scripted_dialects import Counts
from gateway.wire import read_answer

CLAUDE = "anthropic/claude-sonnet-4-5"
GEMINI = "gemini/gemini-2.5-flash"
BODY = {"messages": [{"role": "user", "content": "hello"}]}
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def target(up, deployment):
    def target(model: str = CLAUDE, **how):
        base = up.root if model.startswith("anthropic/") else f"{up.root}/v1beta"
        return deployment(model, **{"api_base": base, **how})

    return target


async def collected(answer) -> tuple[list[bytes], UpstreamError]:
    got: list[bytes] = []
    with pytest.raises(UpstreamError) as caught:
        async for batch in answer.events:
            got += batch
    return got, caught.value


@pytest.mark.parametrize(
    "how_and_fault",
    [
        ({"body": b"<html>hi</html>", "content_type": "text/html"}, "protocol"),
        ({"body": b""}, "protocol"),
        ({"body": b'{"content": ['}, "protocol"),
        ({"body": b'{"hello": 1}'}, "protocol"),
        ({"body": b"[1]"}, "protocol"),
        ({"body": b'{"content": [{}], "usage": {}, "candidates": [7]}'}, "protocol"),
        ({"status": 204, "body": b""}, "protocol"),
        ({"drop": True}, "reset"),
        ({"body": b'{"error": {"message": "busy", "code": 503}}'}, "status"),
        ({"status": 503, "headers": {"retry-after": "2"}}, "status"),
    ],
)
async def test_what_is_no_answer_is_a_fault(up, whole, events, target, how_and_fault) -> None:
    how, fault = how_and_fault
    for model in (CLAUDE, GEMINI):
        for ask in (whole, events):
            up.reply(**how)
            with pytest.raises(UpstreamError) as caught:
                await ask(target(model))
            assert caught.value.fault == fault
            assert caught.value.retry_after == (2 if "headers" in how else None)
    assert len(up.calls) == 4


@pytest.mark.parametrize(
    "case",
    [
        (CLAUDE, 529, {"type": "overloaded_error", "message": "Overloaded"}, True, True),
        (CLAUDE, 401, {"type": "authentication_error", "message": f"no {KEY}"}, False, True),
        (CLAUDE, 400, {"type": "invalid_request_error", "message": "bad"}, False, False),
        (
            GEMINI,
            429,
            {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"},
            True,
            True,
        ),
        (GEMINI, 400, {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}, False, False),
    ],
)
async def test_an_error_is_the_upstreams_own(up, whole, events, target, case) -> None:
    model, status, error, retryable, elsewhere = case
    word = error.get("status") or error["type"]
    for ask in (whole, events):
        up.reply(status=status, error=error)
        with pytest.raises(UpstreamError) as caught:
            await ask(target(model))
        failure = caught.value
        assert (failure.fault, failure.status) == ("status", status)
        assert word in (failure.code, failure.type)
        assert (failure.retryable, failure.elsewhere) == (retryable, elsewhere)
        assert KEY not in failure.message


async def test_a_prompt_too_long_may_fit_elsewhere(up, whole, target) -> None:
    up.reply(status=400, error={"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens"})
    with pytest.raises(UpstreamError) as caught:
        await whole(target())
    assert (caught.value.code, caught.value.elsewhere) == ("context_length_exceeded", True)


OVERLOADED = {"type": "overloaded_error", "message": f"Overloaded {KEY}"}
UNAVAILABLE = {"code": 503, "message": "busy", "status": "UNAVAILABLE"}


@pytest.mark.parametrize(
    "case",
    [
        (CLAUDE, {}, "reset", None),
        (CLAUDE, {"clean_cut": True}, "reset", None),
        (CLAUDE, {"hang": True}, "timeout", None),
        (CLAUDE, {"error": OVERLOADED}, "status", 529),
        (GEMINI, {}, "reset", None),
        (GEMINI, {"clean_cut": True}, "reset", None),
        (GEMINI, {"hang": True}, "timeout", None),
        (GEMINI, {"error": UNAVAILABLE}, "status", 503),
    ],
)
async def test_a_stream_that_breaks_says_how_and_never_looks_complete(up, upstreams, call, target, case) -> None:
    model, how, fault, status = case
    upstreams.set_timeouts(Timeouts(idle=0.3))
    up.reply(text="one two three four", cut_after=3, **how)
    got, error = await collected(await call(target(model), stream=True))
    assert (error.fault, error.status) == (fault, status)
    assert b"one " in b"".join(got)
    assert all(b'"finish_reason":null' in event for event in got)
    assert KEY not in error.message


async def test_a_message_without_its_stop_is_not_complete(up, call, target) -> None:
    up.reply(text="one two", done=False)
    got, error = await collected(await call(target(), stream=True))
    assert error.fault == "reset"
    assert all(b'"finish_reason":null' in event for event in got)


async def test_events_that_say_nothing_are_passed_over(up, events, target) -> None:
    start = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"x","usage":{}}}\n\n'
    ping = b': comment\n\nevent: ping\ndata: {"type": "ping"}\n\nevent: new\ndata: {"type": "of_tomorrow"}\n\n'
    text = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}\n\n'
    end = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}\n\n'
    stop = b'data: {"type":"message_stop"}\n\n'
    up.reply(body=start + ping + text + ping + end + stop, content_type="text/event-stream")
    got = await events(target())
    assert [orjson.loads(event[6:])["choices"][0]["delta"] for event in got[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "hi"},
        {},
    ]
    assert b'"usage"' not in b"".join(got)  # none was reported


async def test_an_event_that_makes_no_sense_is_a_protocol_fault(up, call, target) -> None:
    for event in (b"data: {\n\n", b"data: 7\n\n", b'data: {"type": "content_block_delta"}\n\n'):
        up.reply(body=event, content_type="text/event-stream")
        _, error = await collected(await call(target(), stream=True))
        assert error.fault == "protocol"


@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
async def test_a_callers_body_reaches_none_of_litellms_levers(up, whole, target, model) -> None:
    levers = {
        "api_base": "http://127.0.0.1:9",
        "base_url": "http://127.0.0.1:9",
        "api_key": "sk-stolen",
        "mock_response": "mocked",
        "headers": {"x-evil": "1"},
        "extra_headers": {"x-evil": "1", "anthropic-beta": "evil"},
        "extra_body": {"model": "dearer"},
        "drop_params": False,
        "cached_content": "somebodys",
        "is_vertex_request": True,
        "json_mode": True,
        "model": "dearer",
        "custom": 1,
    }
    answer = await whole(target(model), {**BODY, **levers})
    [call] = up.calls
    assert read_answer(answer.body).text not in ("", "mocked")
    assert KEY in (call.headers.get("x-api-key"), call.headers.get("x-goog-api-key"))
    assert call.headers.keys().isdisjoint({"x-evil", "anthropic-beta"})
    assert call.body.keys().isdisjoint(levers.keys() - {"model"})
    assert call.body.get("model") in (None, "claude-sonnet-4-5")
    assert b"evil" not in call.raw


@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
async def test_without_a_key_none_is_sent(up, whole, target, model, monkeypatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "sk-of-the-environment")
    await whole(target(model, api_key=None))
    assert up.calls[0].headers.keys().isdisjoint({"x-api-key", "x-goog-api-key", "authorization"})


async def test_the_environment_does_not_move_a_deployment(up, litellm, deployment, monkeypatch) -> None:
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "GEMINI_API_BASE"):
        monkeypatch.setenv(name, up.url)
    claude = Anthropic(litellm, deployment(CLAUDE)).shape(BODY, stream=False)
    gemini = Gemini(litellm, deployment(GEMINI)).shape(BODY, stream=False)
    assert str(claude.to.url) == "https://api.anthropic.com/v1/messages"
    assert str(gemini.to.url).startswith("https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:")


async def test_what_needs_acompletion_around_the_class_is_not_shaped_here(litellm, deployment) -> None:
    claude, gemini = Anthropic(litellm, deployment(CLAUDE)), Gemini(litellm, deployment(GEMINI))
    cached = {"messages": [{"role": "system", "content": "s", "cache_control": {"type": "ephemeral"}}]}
    cases = [(BODY, True, True), (cached, True, False)]
    assert [(claude.fits(body), gemini.fits(body)) for body, _, _ in cases] == [(a, g) for _, a, g in cases]


async def test_the_longest_answer_is_the_deployments_where_the_caller_sets_none(up, whole, target) -> None:
    for how in ({}, {"max_tokens": 9}, {"max_completion_tokens": 9}):
        await whole(target("anthropic/claude-of-tomorrow", max_output=32_000), {**BODY, **how})
    assert [call.body["max_tokens"] for call in up.calls] == [32_000, 9, 9]


async def test_media_that_the_provider_fetches_itself_are_left_to_it(up, whole, target) -> None:
    where = "https://example.com/x.png"
    image = {"type": "image_url", "image_url": {"url": where}}
    await whole(target(CLAUDE), {"messages": [{"role": "user", "content": [image]}]})
    assert where in up.calls[-1].raw.decode()


async def test_a_request_that_does_not_fit_goes_by_the_sdk(up, whole, target) -> None:
    part = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    await whole(target(GEMINI), {"messages": [{"role": "user", "content": [part]}]})
    await whole(target(GEMINI), BODY)
    assert [call.headers["user-agent"] == "thriftgate" for call in up.calls[-2:]] == [False, True]


async def test_a_body_that_cannot_be_shaped_costs_no_call(up, whole, events, target) -> None:
    bodies = [
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": "hello"},
        {**BODY, "tool_choice": {"type": "odd"}, "tools": []},
        {"messages": [{"role": "nobody", "content": "x"}]},
    ]
    for body in bodies:
        for ask in (whole, events):
            with pytest.raises(UpstreamError) as caught:
                await ask(target(), body)
            assert not caught.value.retryable
    assert up.calls == []


async def test_text_that_is_no_unicode_passes(up, whole, target) -> None:
    await whole(target(), {"messages": [{"role": "user", "content": "half \ud83d an emoji"}]})
    assert b"half \\ud83d an emoji" in up.calls[0].raw


@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
async def test_connections_are_kept_after_whole_answers_streams_and_errors(up, whole, events, target, model) -> None:
    await whole(target(model))
    await events(target(model))
    up.reply(status=500)
    with pytest.raises(UpstreamError):
        await whole(target(model))
    await whole(target(model))
    assert len({call.connection for call in up.calls}) == 1


async def test_closing_a_stream_closes_the_upstreams_connection(up, call, target) -> None:
    up.reply(text="a b c d e f g h", gap=0.2)
    answer = await call(target(), stream=True)
    await anext(answer.events)
    await answer.events.aclose()
    await asyncio.wait_for(up.calls[0].closed.wait(), 5)


async def test_the_deadline_bounds_a_whole_answer_and_a_streams_head(up, call, target) -> None:
    await call(target())
    for stream in (False, True):
        up.reply(text="late", delay=30)
        with pytest.raises(UpstreamError) as caught:
            await call(target(), stream=stream, within=0.2)
        assert caught.value.fault == "timeout"


async def test_usage_the_upstream_does_not_report_stays_unknown(up, whole, events, target) -> None:
    up.reply(text="x", usage=None)
    assert "usage" not in orjson.loads((await whole(target(GEMINI))).body)
    up.reply(text="x", usage=None)
    assert b'"usage"' not in b"".join(await events(target(GEMINI)))
    up.reply(text="x", usage=Counts(3, 0))
    assert orjson.loads((await whole(target(GEMINI))).body)["usage"]["prompt_tokens"] == 3


async def test_geminis_usage_counts_wherever_it_stands(up, events, target) -> None:
    said = b'data: {"candidates":[{"content":{"parts":[{"text":"hi"}]}}],"usageMetadata":'
    usage = b'{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11}}\n\n'
    end = b'data: {"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}\n\n'
    up.reply(body=said + usage + end, content_type="text/event-stream")
    got = await events(target(GEMINI))
    assert orjson.loads(got[-2][6:])["usage"]["prompt_tokens"] == 9
    assert b'"content":"hi"' in got[1]


async def test_new_timeouts_hold_for_the_next_call_in_every_lane(up, upstreams, call, target, deployment) -> None:
    upstreams.set_timeouts(Timeouts(connect=1.0, first_byte=0.2, idle=5.0))
    relayed = deployment("openai/gpt-4o", api_base=up.url)
    for one in (relayed, target(CLAUDE), deployment("openai/gpt-4o", api_base=up.url, transport="sdk")):
        await call(one)
        up.reply(text="late", delay=2)
        with pytest.raises(UpstreamError) as caught:
            await call(one, stream=True)
        assert (caught.value.fault, "0.2 s" in caught.value.message) == ("timeout", True)
    upstreams.set_timeouts(Timeouts(connect=1.0, first_byte=5.0, idle=0.2))
    for one in (relayed, target(CLAUDE)):
        up.reply(text="a b c d", cut_after=3, hang=True)
        _, error = await collected(await call(one, stream=True))
        assert (error.fault, "0.2 s" in error.message) == ("timeout", True)


async def test_a_long_body_is_sent_whole(up, whole, target, deployment) -> None:
    body = {"messages": [{"role": "user", "content": "long " * 300_000}]}
    for one in (deployment("openai/gpt-4o", api_base=up.url), target(CLAUDE)):
        await whole(one, body)
        assert up.calls[-1].raw.count(b"long ") == 300_000


async def test_the_same_fields_are_sent_the_same_again(up, whole, target) -> None:
    function = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
    body = {**BODY, "tools": [{"type": "function", "function": function}], "max_tokens": 9}
    for model in (CLAUDE, GEMINI):
        target_ = target(model)
        up.calls.clear()
        for _ in range(3):
            await whole(target_, body)
        await whole(target_, {**body, "max_tokens": 10})
        first, second, third, other = (call.raw for call in up.calls)
        assert first == second == third
        assert other == first.replace(b":9", b":10")
