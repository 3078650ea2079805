"""Events are cut out of a stream byte for byte, wherever the network cut it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.sse import data_of, split

EVENTS = [
    b'data: {"a":1}\n\n',
    b"event: x\r\ndata: 1\r\n\r\n",
    b": ping\n\n",
    b"data: a\ndata: b\n\n",
    b"data: [DONE]\n\n",
]


async def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    async def chunks():
        rest = stream
        for size in sizes:
            yield rest[:size]
            rest = rest[size:]
        yield rest

    return [event async for event in split(chunks())]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=8), st.lists(st.integers(1, 20), max_size=12))
async def test_the_same_events_however_the_bytes_arrive(events: list[bytes], sizes: list[int]) -> None:
    assert await cut(b"".join(events), sizes) == events


async def test_what_is_left_at_the_end_is_an_event_too() -> None:
    assert await cut(b"data: 1\n\ndata: 2", []) == [b"data: 1\n\n", b"data: 2\n\n"]
    assert await cut(b"data: 1\n\n\n", []) == [b"data: 1\n\n"]


def test_the_data_of_an_event() -> None:
    assert data_of(b'data: {"a":1}\n\n') == b'{"a":1}'
    assert data_of(b"event: x\r\ndata:1\r\n\r\n") == b"1"
    assert data_of(b"data: a\ndata: b\n\n") == b"a\nb"
    assert data_of(b": ping\n\n") == b""
