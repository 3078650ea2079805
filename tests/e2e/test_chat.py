"""A request's whole way, with the OpenAI SDK as the agent and a scripted upstream as the provider."""

import json

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from gateway.testing import running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def record_of(gateway, response_headers) -> dict:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{gateway.url}/requests/{response_headers['x-request-id']}") as got,
    ):
        assert got.status == 200
        return await got.json()


async def test_an_answer_says_what_was_decided_and_what_it_cost(client, gateway, upstream):
    upstream.reply(text="hello", usage=Counts(prompt=1000, completion=50))
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    answer = raw.parse()
    assert answer.choices[0].message.content == "hello"
    assert answer.usage.prompt_tokens == 1000
    headers = raw.headers
    tier = headers["x-thriftgate-tier"]
    price = {"weak": (0.1, 0.4), "base": (1.0, 4.0), "strong": (5.0, 20.0)}[tier]
    cost = (1000 * price[0] + 50 * price[1]) / 1e6
    assert float(headers["x-thriftgate-cost-usd"]) == pytest.approx(cost)
    assert float(headers["x-thriftgate-saved-usd"]) == pytest.approx((1000 * 5 + 50 * 20) / 1e6 - cost)
    assert 1 <= float(headers["x-thriftgate-complexity"]) <= 10
    assert headers["x-thriftgate-reason"]
    sent = upstream.calls[0]
    assert sent.body["model"] == {"weak": "small-1", "base": "middle-1", "strong": "large-1"}[tier]
    assert sent.headers["authorization"] == "Bearer sk-scripted"
    record = await record_of(gateway, headers)
    assert record["outcome"]["kind"] == "completed"
    assert record["cost_usd"] == pytest.approx(cost)
    assert record["asked"] == "auto"


async def test_the_model_asked_for_is_the_ceiling(client, upstream):
    await client.chat.completions.create(model="small", messages=HELLO)
    assert upstream.calls[0].body["model"] == "small-1"


async def test_a_stream_arrives_event_by_event_and_is_on_record_before_its_end(client, gateway, upstream):
    upstream.reply(chunks=("he", "l", "lo"), usage=Counts(prompt=20, completion=3))
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, stream=True)
    text, chunks = "", []
    async for chunk in raw.parse():
        chunks.append(chunk)
        text += chunk.choices[0].delta.content or ""
    assert text == "hello"
    assert all(chunk.choices for chunk in chunks)  # the usage chunk was the gateway's own wish
    assert len({chunk.id for chunk in chunks}) == 1
    assert upstream.calls[0].body["stream_options"]["include_usage"] is True
    record = await record_of(gateway, raw.headers)
    assert record["usage"]["input"] == 20
    assert record["usage"]["output"] == 3
    assert record["cost_usd"] > 0
    assert record["time_to_first_token"] > 0


async def test_usage_reaches_a_stream_that_asks_for_it(client, upstream):
    upstream.reply(text="hello", usage=Counts(prompt=20, completion=3))
    stream = await client.chat.completions.create(
        model="auto", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    usages = [chunk.usage async for chunk in stream if chunk.usage]
    assert [usage.prompt_tokens for usage in usages] == [20]


async def test_a_tool_loop_of_three_turns(client, upstream):
    messages = [{"role": "user", "content": "Compare the weather in Rome and Oslo."}]
    for city in ("Rome", "Oslo"):
        upstream.reply(tool_calls=(("weather", {"city": city}),), finish="tool_calls")
        answer = await client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
        message = answer.choices[0].message
        [call] = message.tool_calls
        assert json.loads(call.function.arguments) == {"city": city}
        messages.append(message.model_dump(exclude_none=True))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{city}: 20 degrees"})
    upstream.reply(text="Both 20.")
    answer = await client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "Both 20."
    arrived = upstream.calls[-1].body
    assert [m["role"] for m in arrived["messages"]] == ["user", "assistant", "tool", "assistant", "tool"]
    assert arrived["tools"] == [WEATHER]
    assert len({call.body["model"] for call in upstream.calls}) == 1  # one session, one model


async def test_a_streamed_tool_call_arrives_whole(client, upstream):
    upstream.reply(tool_calls=(("weather", {"city": "Rome"}),), finish="tool_calls")
    stream = await client.chat.completions.create(model="auto", messages=HELLO, tools=[WEATHER], stream=True)
    name, arguments, finish = "", "", None
    async for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or ():
            name += call.function.name or ""
            arguments += call.function.arguments or ""
        finish = chunk.choices[0].finish_reason or finish
    assert (name, json.loads(arguments), finish) == ("weather", {"city": "Rome"}, "tool_calls")


async def test_a_json_schema_passes(client, upstream):
    schema = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}}
    upstream.reply(json={"x": 1})
    answer = await client.chat.completions.create(model="auto", messages=HELLO, response_format=schema)
    assert json.loads(answer.choices[0].message.content) == {"x": 1}
    assert upstream.calls[0].body["response_format"] == schema


async def test_unknown_fields_pass_and_the_gateways_own_do_not(client, upstream):
    await client.chat.completions.create(
        model="auto",
        messages=HELLO,
        metadata={"thriftgate.task_type": "planning", "team": "red"},
        extra_body={"of_tomorrow": {"a": [1]}},
    )
    body = upstream.calls[0].body
    assert body["of_tomorrow"] == {"a": [1]}
    assert body["metadata"] == {"team": "red"}


async def test_a_repeated_tool_result_is_sent_once(client, gateway, upstream):
    log = "\n".join(f"line {n} of the build says that target {n * 7919 % 1000} is up to date" for n in range(80))
    messages = [{"role": "user", "content": "Build it, twice."}]
    for n in range(2):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "build", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": log},
        ]
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=messages)
    sent = upstream.calls[0].body["messages"]
    assert sent[2]["content"] == log
    assert len(sent[4]["content"]) < len(log) / 4
    assert int(raw.headers["x-thriftgate-tokens-trimmed"]) > 500
    record = await record_of(gateway, raw.headers)
    assert record["tokens_before"] - record["tokens_after"] == int(raw.headers["x-thriftgate-tokens-trimmed"])
    assert record["savings"]["context"] > 0
    whole = await client.chat.completions.with_raw_response.create(
        model="auto", messages=messages, extra_headers={"x-thriftgate-optimize": "off"}
    )
    assert upstream.calls[1].body["messages"] == messages
    assert int(whole.headers["x-thriftgate-tokens-trimmed"]) == 0


ERRORS = [
    (400, openai.BadRequestError, 400),
    (401, openai.InternalServerError, 502),  # the gateway's key is wrong, not the caller's
    (404, openai.InternalServerError, 502),
    (429, openai.RateLimitError, 429),
    (500, openai.InternalServerError, 500),
    (503, openai.InternalServerError, 503),
]


@pytest.mark.parametrize(("status", "error", "seen"), ERRORS)
async def test_an_upstreams_error_of_each_class(client, upstream, status, error, seen):
    for _ in range(8):
        upstream.reply(status=status, error={"message": "no luck", "type": "t", "code": "c"})
    with pytest.raises(error) as caught:
        await client.chat.completions.create(model="small", messages=HELLO)
    assert caught.value.status_code == seen
    assert caught.value.body["message"]
    assert caught.value.response.headers["x-request-id"].startswith("req_")


async def test_an_error_that_no_retry_heals_costs_one_call(client, upstream):
    for _ in range(3):
        upstream.reply(status=400, error={"message": "bad tools", "type": "invalid_request_error", "param": "tools"})
    with pytest.raises(openai.BadRequestError, match="bad tools") as caught:
        await client.chat.completions.create(model="auto", messages=HELLO)
    assert caught.value.param == "tools"
    assert len(upstream.calls) == 1


async def test_a_failing_deployment_gives_way_to_the_next_tier(client, gateway, upstream):
    upstream.reply(status=500, error={"message": "broken"})
    upstream.reply(status=500, error={"message": "still broken"})
    upstream.reply(text="from the next")
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert raw.parse().choices[0].message.content == "from the next"
    models = [call.body["model"] for call in upstream.calls]
    assert models[0] == models[1] != models[2]
    record = await record_of(gateway, raw.headers)
    assert [attempt["result"] for attempt in record["attempts"]][-1] == "ok"
    assert len(record["attempts"]) == 3


async def test_a_stream_that_fails_before_its_first_chunk_is_healed_elsewhere(client, upstream):
    upstream.reply(chunks=("never", "seen"), cut_after=0, error={"message": "overloaded", "code": "overloaded"})
    upstream.reply(chunks=("fine",))
    stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "fine"


async def test_a_stream_that_breaks_off_shows_an_error_and_is_charged(client, gateway, upstream):
    upstream.reply(chunks=("a", "b", "c", "d"), cut_after=3, gap=0.1)
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, stream=True)
    text = ""
    with pytest.raises(openai.APIError):
        async for chunk in raw.parse():
            text += chunk.choices[0].delta.content or ""
    assert text.startswith("a")
    record = await record_of(gateway, raw.headers)
    assert record["outcome"]["kind"] == "failed"
    assert record["outcome"]["committed"] is True
    assert record["usage"]["estimated"] is True
    assert record["cost_usd"] > 0
    assert len(upstream.calls) == 1


async def test_a_caller_who_leaves_is_charged_and_the_upstream_call_is_closed(gateway, upstream):
    upstream.reply(chunks=tuple("word " for _ in range(200)), gap=0.05)
    body = {"model": "auto", "messages": HELLO, "stream": True}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{gateway.url}/chat/completions", json=body) as got:
            await got.content.readany()
            headers = got.headers
        # leaving the block closes the connection in the middle of the stream
    await upstream.calls[0].closed.wait()
    await gateway.gateway.settle()
    while (record := await gateway.gateway.ledger.get(headers["x-request-id"])) is None:
        pass
    assert record["outcome"] == {"phase": "streaming", "kind": "cancelled"}
    assert record["cost_usd"] > 0


async def test_models_are_listed(client):
    names = [model.id async for model in client.models.list()]
    assert names == ["auto", "weak", "base", "strong", "small", "middle", "large"]
    assert (await client.models.retrieve("large")).owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nobody")


async def test_an_unknown_model_is_a_404(client, upstream):
    with pytest.raises(openai.NotFoundError, match="smal"):
        await client.chat.completions.create(model="smal", messages=HELLO)
    assert not upstream.calls


async def test_without_plugins_the_gateway_answers_faithfully(bare, upstream):
    async with AsyncOpenAI(base_url=bare.url, api_key="any", max_retries=0) as client:
        for model, served in [("large", "large-1"), ("auto", "middle-1"), ("weak", "small-1")]:
            raw = await client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
            assert upstream.calls[-1].body["model"] == served
            record = await record_of(bare, raw.headers)
            assert record["cost_usd"] > 0


async def test_observe_mode_serves_what_was_asked_and_tells_what_it_would_do(upstream):
    text = tiers_yaml(upstream.url, plugins=["gateway_complexity", "gateway_tiers"], routing={"mode": "observe"})
    async with running(text) as gateway, AsyncOpenAI(base_url=gateway.url, api_key="any") as client:
        raw = await client.chat.completions.with_raw_response.create(model="large", messages=HELLO)
        assert upstream.calls[0].body["model"] == "large-1"
        record = await record_of(gateway, raw.headers)
        assert record["mode"] == "observe"
        assert {line["deployment"] for line in record["considered"]} >= {"small", "middle"}


async def test_explain_decides_and_calls_no_one(gateway, upstream):
    async with aiohttp.ClientSession() as http:
        body = {"model": "large", "messages": HELLO}
        async with http.post(f"{gateway.url}/explain", json=body) as got:
            decision = await got.json()
    assert got.status == 200
    assert decision["decision"]["deployment"] in ("small", "middle", "large")
    assert {factor["name"] for factor in decision["complexity"]["factors"]}
    assert not upstream.calls
