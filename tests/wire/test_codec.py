"""Whatever a caller may validly send goes in and comes out unchanged; what is not JSON is told where it breaks."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import BadRequest
from gateway.wire.codec import MAX_DEPTH, dumps, loads

any_text = st.text('a0"\\/\n\x00é😀\ud83d\ude00\u2028', max_size=12)  # lone surrogates included
numbers = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | any_text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(any_text, children, max_size=4),
    max_leaves=10,
)


@settings(max_examples=100)
@given(values)
def test_a_value_survives_the_way_in_and_out(value):
    raw = json.dumps(value).encode()
    value = json.loads(raw)  # two halves of an emoji side by side have become one
    assert loads(raw) == value
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**19, 2**64 - 1, 12345678901234567890123])
def test_big_integers_do_not_turn_into_floats(number):
    value = loads(b'{"seed": %d}' % number)["seed"]
    assert type(value) is int
    assert value == number
    assert loads(dumps({"seed": value})) == {"seed": number}


def test_long_digits_in_a_text_are_text():
    assert loads(b'{"id": "12345678901234567890123"}') == {"id": "12345678901234567890123"}


def test_half_an_emoji_goes_through():
    value = loads(b'{"text": "cut \\ud83d"}')
    assert value == {"text": "cut \ud83d"}
    assert dumps(value) == b'{"text":"cut \\ud83d"}'


def test_a_byte_order_mark_is_passed_over():
    assert loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_of_two_equal_keys_the_last_counts():
    assert loads(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "line 1, column 1"),
        (b'{"model": }', "line 1, column 11 (character 10)"),
        (b'{"a": 1}\n{', "line 2, column 1"),
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b'{"a": -Infinity}', "-Infinity is no JSON value"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": "\xff"}', "not valid UTF-8 (byte 7)"),
        (b"{'a': 1}", "line 1, column 2"),
    ],
)
def test_what_is_not_json_is_told_where_it_breaks(raw, message):
    with pytest.raises(BadRequest) as caught:
        loads(raw)
    assert message in caught.value.message
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1020, 1100, 100_000])
def test_depth_bombs_are_refused(opening, depth):
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    with pytest.raises(BadRequest, match="levels deep"):
        loads(opening * depth + b"1" + closing * depth)


def test_the_deepest_allowed_body_can_be_written_again():
    raw = b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH
    assert dumps(loads(raw)) == raw
