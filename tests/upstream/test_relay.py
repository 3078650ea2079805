"""The provider lane: what goes out, what is relayed, and every way an upstream can fail."""

import asyncio
import zlib

import aiohttp
import orjson
import pytest
from aiohttp import web

from gateway.api import UpstreamError
from gateway.upstream import Timeouts
from gateway.upstream.http import Client, Request, address
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.scripted_dialects import Counts
from gateway.wire import read_answer

BODY = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
SMALL = Timeouts(connect=1.0, first_byte=0.3, idle=0.3)


async def test_an_answer_is_relayed_byte_for_byte(up, whole, deployment) -> None:
    odd = b'{ "choices":[ {"message":{"content":"h\\u00e9"},"x":1.50} ],\n "y":0}'
    up.reply(body=odd)
    assert (await whole(deployment(api_base=up.url))).body == odd


async def test_the_request_is_ours_and_the_callers_body_is_left_alone(up, whole, deployment) -> None:
    body = {**BODY, "stream": True, "custom": {"x": 1}, "metadata": {"a": "b"}, "user": "u"}
    before = orjson.dumps(body)
    await whole(deployment(api_base=up.url), body)
    [call] = up.calls
    assert call.body == {**BODY, "model": "gpt-4o-mini", "custom": {"x": 1}, "metadata": {"a": "b"}, "user": "u"}
    assert call.headers["authorization"] == "Bearer sk-test-0123456789abcdef"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["x-client-request-id"] == "req-1"
    assert orjson.dumps(body) == before


async def test_without_a_key_no_authorization_is_sent(up, whole, deployment, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    await whole(deployment(api_base=up.url, api_key=None))
    assert "authorization" not in up.calls[0].headers


async def test_a_stream_is_relayed_event_by_event_and_asks_for_usage(up, events, deployment) -> None:
    up.reply(text="one two", tool_calls=(("f", {"a": 1}),), usage=Counts(100, 5, cached=80))
    got = await events(deployment(api_base=up.url))
    assert up.calls[0].body["stream_options"] == {"include_usage": True}
    assert got[-1] == b"data: [DONE]\n\n"
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in got)
    assert orjson.loads(got[-2][6:])["usage"]["prompt_tokens_details"]["cached_tokens"] == 80
    assert b'"name":"f"' in b"".join(got)


async def test_connections_are_kept_after_whole_answers_streams_and_errors(up, whole, events, deployment) -> None:
    target = deployment(api_base=up.url)
    await whole(target)
    await events(target)
    up.reply(status=500)
    with pytest.raises(UpstreamError):
        await whole(target)
    await whole(target)
    assert len({call.connection for call in up.calls}) == 1


@pytest.mark.parametrize(
    "how_and_fault",
    [
        ({"body": b"<html>hi</html>", "content_type": "text/html"}, "protocol"),
        ({"body": b""}, "protocol"),
        ({"body": b'{"choices": [', "content_type": "application/json"}, "protocol"),
        ({"body": b'{"hello": 1}'}, "protocol"),
        ({"body": b"[1]"}, "protocol"),
        ({"body": b'{"choices": []}'}, "protocol"),
        ({"status": 204, "body": b""}, "protocol"),
        ({"drop": True}, "reset"),
        ({"body": b'{"error": {"message": "busy", "code": 503}}'}, "status"),
        ({"status": 503, "headers": {"retry-after": "2"}}, "status"),
    ],
)
async def test_what_is_no_answer_is_a_fault(up, whole, events, deployment, how_and_fault) -> None:
    how, fault = how_and_fault
    for ask in (whole, events):
        up.reply(**how)
        with pytest.raises(UpstreamError) as caught:
            answer = await ask(deployment(api_base=up.url))
            read_answer(answer.body)  # where the bytes alone do not tell, the one parse of the answer does
        assert caught.value.fault == fault
        assert caught.value.retry_after == (2 if "headers" in how else None)
    assert len(up.calls) == 2


async def collect(answer) -> tuple[list[bytes], UpstreamError]:
    got: list[bytes] = []
    with pytest.raises(UpstreamError) as caught:
        async for batch in answer.events:
            got += batch
    return got, caught.value


@pytest.mark.parametrize(
    "how_and_error",
    [
        ({}, "reset", None),
        ({"clean_cut": True}, "reset", None),
        ({"hang": True}, "timeout", None),
        ({"error": {"message": "overloaded", "type": "overloaded_error"}}, "status", 529),
    ],
)
async def test_a_stream_that_breaks_says_how(up, call, deployment, how_and_error) -> None:
    how, fault, status = how_and_error
    up.reply(text="one two three four", cut_after=3, **how)
    got, error = await collect(await call(deployment(api_base=up.url), stream=True))
    assert len(got) == 3
    assert (error.fault, error.status) == (fault, status)


async def test_a_finished_stream_without_done_is_an_answer(up, events, deployment) -> None:
    up.reply(text="one two", done=False)
    assert b'"finish_reason":"stop"' in b"".join(await events(deployment(api_base=up.url)))


async def test_closing_a_stream_closes_the_upstreams_connection(up, call, deployment) -> None:
    up.reply(text="a b c d e f g h", gap=0.2)
    answer = await call(deployment(api_base=up.url), stream=True)
    await anext(answer.events)
    await answer.events.aclose()
    await asyncio.wait_for(up.calls[0].closed.wait(), 5)


async def test_cancelling_a_call_closes_the_upstreams_connection(up, call, deployment) -> None:
    up.reply(text="late", delay=30)
    task = asyncio.ensure_future(call(deployment(api_base=up.url), within=60))
    while not up.calls:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(up.calls[0].closed.wait(), 5)


async def test_the_deadline_bounds_a_whole_answer_and_a_streams_head(up, call, deployment) -> None:
    for stream in (False, True):
        up.reply(text="late", delay=30)
        with pytest.raises(UpstreamError) as caught:
            await call(deployment(api_base=up.url), stream=stream, within=0.2)
        assert caught.value.fault == "timeout"


async def test_nobody_there_is_a_connect_fault(call, deployment, unused_tcp_port) -> None:
    with pytest.raises(UpstreamError) as caught:
        await call(deployment(api_base=f"http://127.0.0.1:{unused_tcp_port}/v1"))
    assert (caught.value.fault, caught.value.retryable, caught.value.elsewhere) == ("connect", True, True)


async def test_redirects_are_not_followed(up, whole, deployment) -> None:
    up.reply(status=307, headers={"location": up.url + "/chat/completions"}, body=b"")
    with pytest.raises(UpstreamError) as caught:
        await whole(deployment(api_base=up.url))
    assert (caught.value.status, caught.value.retryable, caught.value.elsewhere) == (307, False, True)
    assert len(up.calls) == 1


async def test_cookies_are_not_kept(up, whole, deployment) -> None:
    up.reply(text="x", headers={"set-cookie": "a=b"})
    await whole(deployment(api_base=up.url))
    await whole(deployment(api_base=up.url))
    assert "cookie" not in up.calls[1].headers


async def test_a_compressed_answer_is_unpacked(up, whole, deployment) -> None:
    up.reply(text="packed", gzip=True)
    assert b"packed" in (await whole(deployment(api_base=up.url))).body


async def _serve(handler):
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


def _bomb() -> bytes:
    pack = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = bytes(1024 * 1024)
    return b"".join([pack.compress(block) for _ in range(200)] + [pack.flush()])


async def test_a_gzip_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = await asyncio.to_thread(_bomb)

    async def handler(_request):
        return web.Response(body=bomb, headers={"content-encoding": "gzip"})

    runner, url = await _serve(handler)
    client = Client(SMALL)
    reply = await client.send(Request(address(url, {}), {}, b"{}"))
    with pytest.raises(UpstreamError) as caught:
        await reply.whole()
    assert (caught.value.fault, caught.value.retryable) == ("protocol", False)
    await client.close()
    await runner.cleanup()


async def test_an_answer_larger_than_the_cap_is_refused() -> None:
    async def handler(_request):
        return web.Response(body=bytes(200_000))

    runner, url = await _serve(handler)
    client = Client(SMALL)
    reply = await client.send(Request(address(url, {}), {}, b"{}"))
    with pytest.raises(UpstreamError) as caught:
        await reply.whole(limit=100_000)
    assert caught.value.fault == "protocol"
    await client.close()
    await runner.cleanup()


async def test_the_echo_depends_on_the_prompt_alone() -> None:
    async with ScriptedUpstream() as up, aiohttp.ClientSession() as session:

        async def ask(text: str) -> bytes:
            body = {"model": "m", "messages": [{"role": "user", "content": text}]}
            async with session.post(up.url + "/chat/completions", json=body) as response:
                return await response.read()

        assert await ask("one") == await ask("one")
        assert await ask("one") != await ask("another")


async def test_a_whole_answer_is_no_stream(up, call, deployment) -> None:
    up.reply(body=b'{"choices": [{"message": {"content": "x"}}]}')
    with pytest.raises(UpstreamError) as caught:
        await call(deployment(api_base=up.url), stream=True)
    assert (caught.value.fault, caught.value.retryable) == ("protocol", False)
