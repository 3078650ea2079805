"""Where an answer begins and ends: what is taken for one, what is refused, and that no cut of the bytes changes it."""

import asyncio
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import UpstreamError
from gateway.upstream.incoming import MAX_HEAD, Incoming

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"content-length: 2\r\n\r\nok"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "body", "kept"),
    [
        (PLAIN, b"ok", True),
        (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok", True),
        (CHUNKED + b"1;a=b\r\no\r\n01\r\nk\r\n0\r\nx-trailer: 1\r\n\r\n", b"ok", True),
        (OK + b"content-length: 0\r\n\r\n", b"", True),
        (OK + b"\r\nok", b"ok", False),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
        (OK + b"Connection: x, Close\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", b"ok", True),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"ok", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok", b"", False),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", b"ok", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, b"ok", True),
        (b"HTTP/1.1 103 Early Hints\r\ncontent-length: 7\r\nx: y\r\n\r\n" * 2 + PLAIN, b"ok", True),
        (b"HTTP/1.1 103 Early Hints\r\ncontent-encoding: br\r\n\r\n" + PLAIN, b"ok", True),
        (PLAIN + b"HTTP", b"ok", False),
        (PLAIN + OK + b"x: " + b"a" * 40_000 + b"\r\ny: z\r\n\r\n", b"ok", False),
        (PLAIN + b"garbage", b"ok", False),
        (PLAIN + OK + b"content-length: 4\r\n\r\nevil", b"ok", False),
        (PLAIN + b"HTTP/1.1 500 Evil\r\ncontent-length: 4\r\n\r\nevil", b"ok", False),
        (CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n", b"ok", False),
    ],
)
async def test_an_answer_ends_where_it_says(raw, ask, answer, body, kept) -> None:
    endless = b" 200 " in answer and b"length" not in answer and b"chunked" not in answer

    async def serve(peer):
        await peer.request()
        await peer.say(answer)
        if not endless:  # else the server's end of the connection is the body's
            await peer.request()
            await peer.say(answer)

    url = await raw.start(serve)
    for _ in range(2):
        reply = await ask(url)
        assert reply.status in {200, 204, 304}
        assert await reply.whole() == body
        assert reply.ended
        await asyncio.sleep(0.02)
    assert len(raw.peers) == (1 if kept else 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>not HTTP</html>",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
        OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
        OK + b"content-length: 2, 2\r\n\r\nok",
        OK + b"content-length: +2\r\n\r\nok",
        OK + b"content-length: -2\r\n\r\nok",
        OK + b"content-length: 99999999999999999999\r\n\r\nok",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b"transfer-encoding: xchunked\r\n\r\nok",
        OK + b"x: folded\r\n line\r\ncontent-length: 2\r\n\r\nok",
        OK + b"x : spaced\r\ncontent-length: 2\r\n\r\nok",
        OK + b"x: n\0l\r\ncontent-length: 2\r\n\r\nok",
        OK + b"x: " + b"a" * 33_000 + b"\r\ncontent-length: 2\r\n\r\nok",
        OK + b"x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000 + b"content-length: 2\r\n\r\nok",
        OK + b"x:\r\n" * 3000 + b"content-length: 2\r\n\r\nok",
        OK + b"x: " + b"a" * 400_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    ],
)
async def test_what_is_no_answer_is_refused(raw, ask, answer) -> None:
    url = await raw.answering(answer)
    with pytest.raises(UpstreamError) as caught:
        await (await ask(url)).whole()
    assert caught.value.fault == "protocol"
    await asyncio.wait_for(raw.peers[0].gone.wait(), 5)


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"zz\r\nok",
        CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
        CHUNKED + b"2\nok\n0\n\n",
        CHUNKED + b"fffffffffffffffff\r\nok",
        CHUNKED + b"2;" + b"a" * 100_000,
        CHUNKED + b"2\r\nok\r\n0\r\nx: " + b"a" * 500_000,
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"x: abc\r\n" * 10_000,
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_after_its_good_part(raw, ask, answer) -> None:
    url = await raw.answering(answer)
    reply = await ask(url)
    assert reply.status == 200
    got = b""
    with pytest.raises(UpstreamError) as caught:
        while piece := await reply.read():
            got += piece
        raise AssertionError(got)
    assert caught.value.fault == "protocol"
    assert b"ok".startswith(got)
    reply.close()
    await asyncio.wait_for(raw.peers[0].gone.wait(), 5)


@pytest.mark.parametrize(
    "answer", [OK + b"content-length: 3\r\n\r\nok", CHUNKED + b"2\r\nok\r\n", CHUNKED + b"5\r\nok"]
)
async def test_a_body_cut_short_is_a_reset_after_what_has_come(raw, ask, answer) -> None:
    url = await raw.answering(answer)
    reply = await ask(url)
    assert await reply.read() == b"ok"
    with pytest.raises(UpstreamError) as caught:
        await reply.read()
    assert caught.value.fault == "reset"
    assert not reply.ended


async def test_a_body_to_the_end_of_the_connection_that_is_reset_is_not_whole(raw, ask) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(OK + b"\r\nhalf")
        peer.writer.transport.abort()

    async def reset(peer):
        await peer.request()
        await peer.say(OK + b"\r\nhalf")
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # linger of zero seconds: an end by RST
        peer.writer.transport.abort()

    assert await (await ask(await raw.start(serve))).whole() == b"half"  # FIN: HTTP/1.0 knows no better
    with pytest.raises(UpstreamError) as caught:
        await (await ask(await raw.start(reset))).whole()
    assert caught.value.fault == "reset"


async def test_a_field_is_found_whatever_its_case_and_repeated_ones_are_joined(raw, ask) -> None:
    url = await raw.answering(
        OK + b"Content-TYPE: Text/Event-Stream ; charset=x\r\nX-A: 1 \t\r\nx-a:2\r\nx-\x62: h\xc3\xa9\xff\r\n"
        b"content-length: 0\r\n\r\n"
    )
    reply = await ask(url)
    assert reply.content_type == "text/event-stream"
    assert reply.headers["X-a"] == "1, 2"
    assert reply.headers.get("x-b") == "hé\N{REPLACEMENT CHARACTER}"
    assert reply.headers.get("x-c") is None
    assert "X-A" in reply.headers
    assert set(reply.headers) == {"content-type", "x-a", "x-b", "content-length"}
    await reply.whole()


# The parser alone, without a network.


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def chunked(body: bytes, places: list[int]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut(body, places)) + b"0\r\n\r\n"


def framed(body: bytes, places: list[int], how: str) -> bytes:
    if how == "chunked":
        return CHUNKED + chunked(body, places)
    return OK + b"x-some: thing\r\ncontent-length: %d\r\n\r\n" % len(body) + body


places = st.lists(st.integers(0, 10_000), max_size=12)
framings = st.sampled_from(["chunked", "length"])


@given(st.binary(max_size=2000), places, places, framings)
def test_no_cut_of_the_bytes_changes_an_answer(body, chunks, reads, how) -> None:
    incoming = Incoming(None)
    got = b""
    for piece in cut(framed(body, chunks, how), reads):
        assert not incoming.complete
        incoming.feed(piece)
        got += incoming.take()
    assert incoming.complete
    assert incoming.keeps
    assert incoming.ended
    assert got == body


@given(st.binary(max_size=2000), places, framings, st.integers(1, 100_000))
def test_no_cut_off_answer_passes_for_a_whole_one(body, chunks, how, missing) -> None:
    incoming = Incoming(None)
    answer = framed(body, chunks, how)
    incoming.feed(answer[: max(1, len(answer) - missing)])
    assert not incoming.complete
    incoming.lose(None)
    assert not incoming.complete
    assert incoming.fault is not None
    assert incoming.fault.fault == "reset"
    assert incoming.lost


@given(
    st.lists(st.binary(max_size=300), max_size=20), st.sampled_from([b"", OK, CHUNKED, OK + b"content-length: 3\r\n"])
)
def test_garbage_is_never_more_than_a_fault(pieces, start) -> None:
    incoming = Incoming(None)
    for piece in [start, *pieces]:
        incoming.feed(piece)
        assert not (incoming.complete and incoming.fault)
    incoming.lose(None)
    assert incoming.complete or incoming.fault is not None


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (OK, b"a: b\r\n" * 100),
        (OK + b"a: ", b"b" * 600),
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 100),
        (CHUNKED + b"1\r\na\r\n0\r\na: ", b"b" * 600),
        (CHUNKED + b"1;", b"b" * 600),
    ],
)
def test_what_brings_no_body_forward_takes_no_memory_without_end(start, more) -> None:
    incoming = Incoming(None)
    incoming.feed(start)
    tracemalloc.start()
    fed = 0
    while incoming.fault is None:
        incoming.feed(more)
        fed += len(more)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fed <= MAX_HEAD + len(more)
    assert most < 16 * MAX_HEAD
