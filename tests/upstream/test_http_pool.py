"""Which connection carries a call: those that lie ready, those that are stale, those that end."""

import asyncio
import gc
import socket
import weakref

import pytest

from gateway.api import UpstreamError
from gateway.upstream import pool as pools

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def forever(peer) -> None:
    while True:
        await peer.request()
        await peer.say(OK)


async def slow(peer) -> None:
    while True:
        await peer.request()
        await asyncio.sleep(0.05)
        await peer.say(OK)


async def got(reply) -> bytes:
    return await reply.whole()


async def test_one_connection_carries_one_call_after_the_other(raw, ask) -> None:
    url = await raw.start(forever)
    for _ in range(5):
        assert await got(await ask(url)) == b"ok"
    assert len(raw.peers) == 1


async def test_a_call_goes_straight_and_without_delay(raw, ask, client, monkeypatch, unused_tcp_port) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    assert await got(await ask(await raw.start(forever))) == b"ok"
    [connection] = client._pool._all
    sock = connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_an_answer_that_came_in_one_piece_is_read_without_waiting(raw, ask) -> None:
    reading = (await ask(await raw.start(forever))).whole()
    with pytest.raises(StopIteration) as done:
        reading.send(None)
    assert done.value.value == b"ok"


async def test_origins_do_not_share_connections(raw, ask) -> None:
    first, second = await raw.start(forever), await raw.start(forever)
    for url in (first, second, first.replace("127.0.0.1", "localhost"), first):
        assert await got(await ask(url)) == b"ok"
    assert len(raw.peers) == 3


async def test_what_was_used_last_is_used_first_and_the_rest_of_a_burst_goes(raw, ask, monkeypatch) -> None:
    monkeypatch.setattr(pools, "KEEP_ALIVE", 0.3)
    url = await raw.start(slow)
    await asyncio.gather(*[got(reply) for reply in await asyncio.gather(*[ask(url) for _ in range(4)])])
    assert len(raw.peers) == 4
    while sum(peer.gone.is_set() for peer in raw.peers) < 3:
        assert await got(await ask(url)) == b"ok"
    assert len(raw.peers) == 4
    [used] = [peer for peer in raw.peers if not peer.gone.is_set()]
    await asyncio.wait_for(used.gone.wait(), 5)  # and then it is idle for too long itself


async def test_a_body_read_to_its_end_frees_the_connection_before_anyone_closes_the_reply(raw, ask) -> None:
    url = await raw.start(forever)
    first = await ask(url)
    assert await first.read() == b"ok"
    assert first.ended
    second = await ask(url)
    first.close()  # too late to touch what is another's
    assert await got(second) == b"ok"
    assert len(raw.peers) == 1


async def test_a_reply_closed_early_ends_its_connection(raw, ask) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")
        await peer.left()

    url = await raw.start(serve)
    reply = await ask(url)
    reply.close()
    await asyncio.wait_for(raw.peers[0].gone.wait(), 5)


@pytest.mark.parametrize(
    "unasked", [b"", b"x", b"\r\n", OK, b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"]
)
async def test_an_idle_connection_that_ends_or_speaks_is_not_used_again(raw, ask, client, unasked) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(OK)
        await asyncio.sleep(0.02)
        if unasked:
            await peer.say(unasked)
            await peer.left()

    url = await raw.start(serve)
    for count in (1, 2):
        assert await got(await ask(url)) == b"ok"
        await asyncio.wait_for(raw.peers[-1].gone.wait(), 5)
        await asyncio.sleep(0.02)
        assert len(raw.peers) == count
        assert not client._pool._all
        assert not client._pool._idle


async def stale(peer) -> None:
    """Answers once and hangs up on the next request without a word."""
    await peer.request()
    await peer.say(OK)
    await peer.request()


async def test_a_stale_connection_is_replaced_once(raw, ask) -> None:
    url = await raw.start(stale)
    for _ in range(3):
        assert await got(await ask(url)) == b"ok"
    assert len(raw.peers) == 3


async def test_a_second_connection_that_breaks_is_a_reset(raw, ask) -> None:
    async def serve(peer):
        await peer.request()
        if len(raw.peers) == 1:
            await peer.say(OK)
            await peer.request()

    url = await raw.start(serve)
    assert await got(await ask(url)) == b"ok"
    with pytest.raises(UpstreamError) as caught:
        await ask(url)
    assert (caught.value.fault, caught.value.retryable) == ("reset", True)
    assert len(raw.peers) == 2


async def test_a_new_connection_that_breaks_is_not_tried_again(raw, ask) -> None:
    async def serve(peer):
        await peer.request()

    url = await raw.start(serve)
    with pytest.raises(UpstreamError) as caught:
        await ask(url)
    assert caught.value.fault == "reset"
    assert len(raw.peers) == 1


async def test_an_upstream_that_was_at_work_is_not_asked_twice(raw, ask, monkeypatch) -> None:
    monkeypatch.setattr("gateway.upstream.http._STALE_WITHIN", 0.02)

    async def serve(peer):
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await asyncio.sleep(0.1)

    url = await raw.start(serve)
    assert await got(await ask(url)) == b"ok"
    with pytest.raises(UpstreamError) as caught:
        await ask(url)
    assert caught.value.fault == "reset"
    assert len(raw.peers) == 1


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_an_answer_that_has_begun_is_not_asked_for_again(raw, ask, begun) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(begun)

    url = await raw.start(serve)
    assert await got(await ask(url)) == b"ok"
    with pytest.raises(UpstreamError) as caught:
        await ask(url)
    assert caught.value.fault == "reset"
    assert len(raw.peers) == 1


async def test_closing_the_client_ends_idle_connections_and_calls_in_flight(raw, ask, client) -> None:
    async def serve(peer):
        _, body = await peer.request()
        if body == b"1":
            await peer.say(OK)
        if body == b"2":
            await peer.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await peer.left()

    url = await raw.start(serve)
    reading = await ask(url, b"2")
    assert await reading.read() == b"half"
    waiting = asyncio.ensure_future(ask(url, b"3"))
    assert await got(await ask(url, b"1")) == b"ok"
    while len(raw.peers) < 3:
        await asyncio.sleep(0.01)
    await client.close()
    for broken in (reading.read(), waiting):
        with pytest.raises(UpstreamError) as caught:
            await broken
        assert caught.value.fault == "reset"
    for peer in raw.peers:
        await asyncio.wait_for(peer.gone.wait(), 5)
    with pytest.raises(UpstreamError):
        await ask(url, b"1")


async def test_nothing_is_left_of_a_call_but_its_connection(raw, ask, client) -> None:
    url = await raw.start(forever)
    gc.collect()
    gc.disable()
    try:
        reply = await ask(url)
        await reply.whole()
        parts = weakref.ref(reply), weakref.ref(reply._incoming)
        del reply
        assert [part() for part in parts] == [None, None]  # at once, without the collector's help
    finally:
        gc.enable()
    assert len(client._pool._all) == 1
