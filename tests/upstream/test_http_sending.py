"""What goes out, how fast, and what happens when the other side does not take it or falls silent."""

import asyncio
import math
import socket
import tracemalloc

import pytest
from httptools import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import UpstreamError
from gateway.upstream import Timeouts
from gateway.upstream.http import Client, Request, address

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Parsed:
    """A request as a server reads it."""

    def __init__(self, data: bytes) -> None:
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self.complete = 0
        HttpRequestParser(self).feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url = url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode(), value.decode()))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("http://h.example/v1/chat", "/v1/chat", "h.example"),
        ("http://h.example:8080/v1?a=b c#f", "/v1?a=b+c", "h.example:8080"),
        ("https://h.example:443", "/", "h.example"),
        ("https://[::1]:8443/x", "/x", "[::1]:8443"),
        ("http://bücher.example/é", "/%C3%A9", "xn--bcher-kva.example"),
        ("http://h.example/a\r\nx: y", "/ax:%20y", "h.example"),
    ],
)
def test_the_request_line_and_the_host_follow_the_url(url, target, host) -> None:
    to = address(url, {})
    parsed = Parsed(to.head_for({}, 2) + b"{}")
    assert (parsed.url, dict(parsed.fields)["host"], parsed.body, parsed.complete) == (target, host, b"{}", 1)


@pytest.mark.parametrize(
    "url", ["", "h.example/v1", "/v1", "ftp://h.example/", "http://", "http://h:99999/", "http://[::1/"]
)
def test_what_is_no_url_is_an_address_that_cannot_be_used(url) -> None:
    with pytest.raises(UpstreamError) as caught:
        address(url, {})
    assert (caught.value.fault, caught.value.retryable, caught.value.elsewhere) == ("connect", False, True)
    assert "address cannot be used" in caught.value.message


def test_a_requests_own_headers_take_the_place_of_the_addresss() -> None:
    to = address("http://h/", {"Accept": "a", "X-Key": "1", "User-Agent": "theirs"})
    shared = dict(Parsed(to.head_for({"x-own": "2"}, 0)).fields)
    assert shared == {
        "host": "h",
        "accept": "a",
        "x-key": "1",
        "user-agent": "thriftgate",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "x-own": "2",
        "content-length": "0",
    }
    own = Parsed(to.head_for({"ACCEPT": "b", "x-key": "3"}, 0)).fields
    assert len(own) == len(dict(own))
    assert dict(own) == {
        **{name: value for name, value in shared.items() if name != "x-own"},
        "accept": "b",
        "x-key": "3",
    }


def test_who_calls_may_stand_in_the_url_but_not_twice() -> None:
    fields = dict(Parsed(address("http://me:p%40ss@h/", {}).head_for({}, 0)).fields)
    assert fields["authorization"] == "Basic bWU6cEBzcw=="
    with pytest.raises(UpstreamError):
        address("http://me:pass@h/", {"Authorization": "Bearer x"})


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=4), st.binary(max_size=20), st.booleans())
def test_no_header_becomes_two_or_ends_the_head(headers, body, own) -> None:
    try:
        to = address("http://h/", {} if own else headers)
        message = to.head_for(headers if own else {}, len(body)) + body
    except UpstreamError as error:
        assert error.fault == "connect"  # noqa: PT017  # refused is one of two good ends
        return
    parsed = Parsed(message)
    assert (parsed.complete, parsed.body) == (1, body)
    ours = ["host", "accept", "content-type", "accept-encoding", "user-agent", "content-length"]
    assert sorted(name for name, _ in parsed.fields) == sorted({*ours, *(name.lower() for name in headers)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\ny: b"),
        ("x", "a\n"),
        ("x", "a\0"),
        ("x\r\ny", "a"),
        ("x:", "a"),
        ("", "a"),
        ("é", "a"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
    ],
)
async def test_a_header_that_would_break_the_request_is_never_sent(raw, ask, name, value) -> None:
    url = await raw.answering(OK)
    with pytest.raises(UpstreamError) as caught:
        address(url, {name: value})
    assert (caught.value.fault, caught.value.retryable) == ("connect", False)
    with pytest.raises(UpstreamError, match="cannot be sent"):
        await ask(url, headers={name: value})
    assert not raw.peers


async def test_a_long_body_arrives_whole_and_leaves_the_loop_to_others(raw, ask) -> None:
    body = bytes(range(256)) * 4 * 8192  # 8 MiB
    arrived = []

    async def serve(peer):
        for _ in range(2):
            arrived.append((await peer.request())[1])
            await peer.say(OK)

    url = await raw.start(serve)
    turns = 0
    for _ in range(2):
        asking = asyncio.ensure_future(ask(url, body))
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        assert await (await asking).whole() == b"ok"
    assert arrived == [body, body]
    assert turns > 2 * len(body) // (256 * 1024)
    assert len(raw.peers) == 1


async def test_a_long_body_that_nobody_takes_is_not_piled_up(raw, ask) -> None:
    async def serve(peer):
        peer.writer.transport.pause_reading()
        await asyncio.sleep(30)

    url = await raw.start(serve)
    body = bytes(64 * 1024 * 1024)
    tracemalloc.start()
    asking = asyncio.ensure_future(ask(url, body))
    await asyncio.sleep(0.3)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * 1024 * 1024
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_answer_before_the_end_of_a_long_body_is_an_answer(raw, ask) -> None:
    async def serve(peer):
        await peer.head()
        peer.writer.transport.pause_reading()
        await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\ntoo")
        await asyncio.sleep(0.1)
        peer.writer.transport.resume_reading()
        await peer.left()

    url = await raw.start(serve)
    reply = await ask(url, bytes(32 * 1024 * 1024))
    assert reply.status == 413
    assert await reply.error_body() == b"too"
    await asyncio.wait_for(raw.peers[0].gone.wait(), 5)  # half a request lies on it


async def test_the_rest_of_a_long_body_is_kept_back_once_an_answer_has_begun(raw, ask, client) -> None:
    async def serve(peer):
        await peer.head()
        peer.writer.transport.pause_reading()
        await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nto")
        await asyncio.sleep(30)

    reply = await ask(await raw.start(serve), bytes(32 * 1024 * 1024))
    [connection] = client._pool._all
    assert connection._transport.get_write_buffer_size() < 1024 * 1024
    assert await reply.error_body() == b"to"


async def test_a_reader_who_is_slow_slows_the_upstream_down(raw, ask) -> None:
    sent = 0
    piece = bytes(64 * 1024)

    async def serve(peer):
        nonlocal sent
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            peer.writer.write(piece)
            await peer.writer.drain()
            sent += len(piece)

    url = await raw.start(serve)
    reply = await ask(url)
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.1)
    assert sent < 500 * len(piece)  # what the network holds, and little more
    assert reply._incoming._held < 1024 * 1024
    got = 0
    while data := await reply.read():
        got += len(data)
    assert got == 1000 * len(piece)


async def test_silence_between_two_pieces_is_a_timeout_and_steady_pieces_are_none(raw, client) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            await peer.say(b"x")
        await peer.left()

    url = await raw.start(serve)
    for whole in (False, True):
        reply = await client.send(Request(address(url, {}), {}, b"{}"))
        got = b""
        with pytest.raises(UpstreamError) as caught:
            if whole:
                await reply.whole()
            while True:
                got += await reply.read()
        assert (caught.value.fault, caught.value.message) == ("timeout", "the upstream fell silent for 0.4 s")
        assert got == (b"" if whole else b"x" * 8)
        await asyncio.wait_for(raw.peers[-1].gone.wait(), 5)
        reply.close()


async def test_a_slow_answer_is_whole_in_the_end_as_long_as_something_comes(raw, ask) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            await peer.say(b"x")

    assert await (await ask(await raw.start(serve))).whole() == b"x" * 8


async def test_what_is_no_part_of_the_body_does_not_keep_a_silent_upstream_alive(raw, ask) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;")
        while True:
            await asyncio.sleep(0.05)
            await peer.say(b"a")

    with pytest.raises(UpstreamError) as caught:
        await (await ask(await raw.start(serve))).read()
    assert caught.value.fault == "timeout"


@pytest.mark.parametrize("phase", ["body out", "head", "body in", "whole"])
async def test_cancelling_ends_the_connection_at_once(raw, ask, client, phase) -> None:
    reached = asyncio.Event()

    async def serve(peer):
        if phase == "body out":
            peer.writer.transport.pause_reading()
            reached.set()
            await asyncio.sleep(0.1)
            peer.writer.transport.resume_reading()
        else:
            await peer.request()
            if phase != "head":
                await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
            reached.set()
        await peer.left()

    url = await raw.start(serve)

    async def call():
        reply = await ask(url, bytes(16 * 1024 * 1024) if phase == "body out" else b"{}")
        try:
            await (reply.whole() if phase == "whole" else reply.read())
        finally:
            reply.close()

    calling = asyncio.ensure_future(call())
    await reached.wait()
    await asyncio.sleep(0.05)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert not client._pool._all
    await asyncio.wait_for(raw.peers[0].gone.wait(), 5)


async def test_nobody_there_no_such_name_and_no_answer_in_time_are_connect_faults(
    raw, unused_tcp_port, monkeypatch
) -> None:
    client = Client(Timeouts(connect=0.2, idle=1.0))

    async def silent(peer):
        await peer.left()

    mute = await raw.start(silent)  # takes the connection and never speaks TLS
    for url, why in [
        (f"http://127.0.0.1:{unused_tcp_port}/", "ConnectionRefusedError"),
        ("http://no-such-name.invalid/", ""),
        (mute.replace("http:", "https:"), "TimeoutError"),
        (f"http://{'a' * 70}.example/", ""),
    ]:
        with pytest.raises(UpstreamError) as caught:
            await client.send(Request(address(url, {}), {}, b"{}"))
        assert caught.value.fault == "connect"
        assert why in caught.value.message
    await asyncio.wait_for(raw.peers[0].gone.wait(), 5)
    await client.close()


async def test_a_name_with_several_addresses_is_reached_by_any_that_answers(raw, ask, client, unused_tcp_port) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(OK.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"))

    url = (await raw.start(serve)).replace("127.0.0.1", "localhost")
    origin = address(url, {}).origin
    [good] = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", origin.port, type=socket.SOCK_STREAM)
    dead = (*good[:4], ("127.0.0.1", unused_tcp_port))
    client._dialer._names[origin] = (math.inf, [dead, good])
    for _ in range(4):
        assert await (await ask(url)).whole() == b"ok"
    client._dialer._names[origin] = (math.inf, [dead])
    with pytest.raises(UpstreamError) as caught:
        await ask(url)
    assert "ConnectionRefusedError" in caught.value.message
    assert await (await ask(url)).whole() == b"ok"  # it may have moved, so its name is looked up anew


async def test_a_connection_that_ends_before_the_request_is_sent_is_a_reset(raw, ask) -> None:
    async def serve(peer):
        peer.writer.transport.abort()

    url = await raw.start(serve)
    for _ in range(20):
        with pytest.raises(UpstreamError) as caught:
            await ask(url)
        assert caught.value.fault == "reset"


async def test_the_addresses_of_a_name_take_turns(raw, ask, client) -> None:
    closing = OK.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n")
    first, second = await raw.answering(closing), await raw.answering(closing)
    origins = [address(url, {}).origin for url in (first, second)]
    lookup = asyncio.get_running_loop().getaddrinfo
    found = [info for at in origins for info in await lookup(at.host, at.port, type=socket.SOCK_STREAM)]
    client._dialer._names[origins[0]] = (math.inf, found)
    for _ in range(4):
        assert await (await ask(first)).whole() == b"ok"
    ports = [peer.writer.get_extra_info("sockname")[1] for peer in raw.peers]
    assert ports == [origins[0].port, origins[1].port] * 2


async def test_a_request_on_a_connection_that_has_ended_is_a_reset(raw, client) -> None:
    async def serve(peer):
        peer.writer.close()

    connection = await client._dialer.open(address(await raw.start(serve), {}).origin, 2.0)
    while connection.alive:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    incoming = await asyncio.wait_for(connection.ask(b"POST / HTTP/1.1\r\n\r\n", b""), 5)
    assert incoming.lost


@pytest.mark.parametrize("status", [503, 200])
async def test_an_encoding_nobody_asked_for_is_refused_when_it_is_read(raw, ask, status) -> None:
    url = await raw.answering(b"HTTP/1.1 %d X\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\n??" % status)
    reply = await ask(url)
    assert reply.status == status
    if status == 200:
        with pytest.raises(UpstreamError, match="`br`, which was not asked for") as caught:
            await reply.whole()
        assert (caught.value.fault, caught.value.retryable) == ("protocol", False)
    else:
        assert await reply.error_body() == b""
