"""Events come out whole and byte for byte, wherever the network cut the stream."""

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.api import UpstreamError
from gateway.wire.sse import DONE, SseSplitter, cut_off, data_of, error_event, with_data

STREAM = (
    b"\xef\xbb\xbf: hello\n\n"
    b'data: {"a": "x"}\n\n'
    b"data:no space\n\n"
    b"event: note\r\nid: 7\r\ndata: one\r\ndata: two\r\n\r\n"
    b"data: mixed ends\n\r\n"
    b"data: old mac\r\rretry: 5\n\n"
    b": keep-alive\n\n\n" + DONE
)
EVENTS = [
    b"\xef\xbb\xbf: hello\n\n",
    b'data: {"a": "x"}\n\n',
    b"data:no space\n\n",
    b"event: note\r\nid: 7\r\ndata: one\r\ndata: two\r\n\r\n",
    b"data: mixed ends\n\r\n",
    b"data: old mac\r\r",
    b"retry: 5\n\n",
    b": keep-alive\n\n",
    b"\n" + DONE,
]


def split(*pieces):
    splitter = SseSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)] + splitter.flush()


def test_every_single_cut_gives_the_same_events():
    for cut in range(len(STREAM) + 1):
        assert split(STREAM[:cut], STREAM[cut:]) == EVENTS


def test_byte_by_byte():
    assert split(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == EVENTS


pieces = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data: x", b"a", b":", b"\n\n", b"\r\n\r\n"]), max_size=20)


@settings(max_examples=200)
@given(pieces, st.lists(st.integers(0, 60), max_size=4))
@example([b"data: x", b"\r\n", b"\r", b"\n"], [10])
def test_any_stream_at_any_cuts(parts, cuts):
    stream = b"".join(parts)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = split(*(stream[a:b] for a, b in itertools.pairwise(edges)))
    assert found == split(stream)
    assert stream.startswith(b"".join(found))
    assert not stream[len(b"".join(found)) :].strip()
    for event in found[:-1]:
        lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert lines.endswith(b"\n\n") or not lines.strip(b"\n")


def test_an_event_without_its_blank_line_comes_at_the_flush():
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == [b"data: a\n\n"]
    assert splitter.flush() == [b"data: b"]
    assert splitter.flush() == []


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_event_beyond_the_limit_is_an_upstream_gone_astray(size):
    splitter = SseSplitter(max_event=1000)
    for _ in range(1000 // size):
        assert splitter.feed(b"x" * size) == []
    with pytest.raises(UpstreamError) as caught:
        splitter.feed(b"x" * size)
    assert (caught.value.fault, caught.value.elsewhere) == ("protocol", True)
    with pytest.raises(UpstreamError):
        SseSplitter(max_event=1000).feed(b"x" * 1001 + b"\n\n")


def test_many_events_may_be_more_than_the_limit():
    assert len(SseSplitter(max_event=100).feed(b"data: x\n\n" * 1000)) == 1000


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: x", b"x"),
        (b"data: x\r\n\r\n", b"x"),
        (b"data: x\ndata: y\n\n", b"x\ny"),
        (b"event: e\ndata: x\nid: 1\n\n", b"x"),
        (b"\ndata: x\n\n", b"x"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b"data: \n\n", b""),
        (b"data\n\n", b""),
        (b": comment\n\n", None),
        (b"event: ping\n\n", None),
        (b"database: x\n\n", None),
        (b"\n\n", None),
    ],
)
def test_data_of(event, data):
    assert data_of(event) == data


def test_with_data_keeps_the_other_lines():
    assert with_data(b"data: x\n\n", b"y") == b"data: y\n\n"
    changed = with_data(b"event: e\r\ndata: x\r\ndata: z\r\nid: 1\r\n\r\n", b"y")
    assert changed == b"event: e\nid: 1\ndata: y\n\n"
    assert data_of(changed) == b"y"


def test_an_error_event_is_one_line_with_the_object():
    for told in ({"message": "a\nb", "code": None}, {"error": {"message": "a\nb", "code": None}}):
        event = error_event(told)
        assert split(event) == [event]
        assert json.loads(data_of(event)) == {"error": {"message": "a\nb", "code": None}}


@pytest.mark.parametrize(
    ("event", "half"),
    [
        (b'data: {"a": 1}', False),
        (b"data: [DONE]", False),
        (b": a comment", False),
        (b'data: {"a": 1, "b', True),
        (b"data: [DO", True),
        (b'data: {"a": "\xc3', True),
    ],
)
def test_half_an_event_is_told_from_a_whole_one(event, half):
    assert cut_off(event) is half
