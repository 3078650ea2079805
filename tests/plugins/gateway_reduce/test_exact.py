from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.exact import NotPlainJson, map_strings, read, write

LONG = 400
OUTPUT = "a line of output\n" * 30


def test_long_strings_are_transformed_wherever_they_are():
    document = {"output": OUTPUT, "parts": [{"type": "text", "text": OUTPUT + '"quoted" é'}], "exit_code": 0}
    after = json.loads(map_strings(json.dumps(document), str.upper, LONG))
    assert after == {
        "output": OUTPUT.upper(),
        "parts": [{"type": "text", "text": OUTPUT.upper() + '"QUOTED" É'}],
        "exit_code": 0,
    }


def test_all_else_is_as_it_was_written():
    text = f'{{ "n": [1.10, 1e5, -0, 12345678901234567890123], "k": "short", "s": {json.dumps(OUTPUT)} }}'
    assert map_strings(text, lambda _: "x", LONG) == '{"n":[1.10,1e5,-0,12345678901234567890123],"k":"short","s":"x"}'


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"a": OUTPUT})[:-1] + ', "a": 1}',
        json.dumps({"a": OUTPUT})[:-1] + ', "b": NaN}',
        json.dumps({"a": OUTPUT})[:-1] + r', "b": "\ud800"}',
        json.dumps({"a": OUTPUT})[:-1] + r', "b": "\ue0f01\ue0f1"}',
        json.dumps({"a": OUTPUT}) + " and more}",
        OUTPUT,
        "{" + "[" * 100_000 + "}",
        '{"a": "' + "x" * 500 + '", "b": ' + "[" * 80 + "]" * 80 + "}",
    ],
)
def test_what_can_not_be_written_again_stays(text):
    assert map_strings(text, lambda _: "x", LONG) == text


def test_half_a_surrogate_from_a_transform_changes_nothing():
    text = json.dumps({"a": OUTPUT})
    assert map_strings(text, lambda _: "\ud800", LONG) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: isinstance(value, list | dict))
STYLES = st.sampled_from(
    [
        {},
        {"indent": 2},
        {"indent": 4},
        {"ensure_ascii": False},
        {"separators": (",", ":")},
        {"ensure_ascii": False, "indent": 2},
    ]
)


@settings(max_examples=150, deadline=None)
@given(JSON, STYLES)
def test_any_document_in_any_style_is_read_and_written(value, style):
    text = json.dumps(value, **style)
    try:
        written = write(read(text))
    except NotPlainJson:
        assert "\\ue0f" in text or any("\ue0f0" <= sign <= "\ue0f1" for sign in text)
        return
    assert written == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('{}[]":,.-+eE0123456789 \n\\ua\ud800truefalsn'), max_size=40))
def test_no_text_is_too_odd(text):
    long = '{"a":' + text + ',"b":"' + "x" * LONG + '"}'
    after = map_strings(long, lambda _: "y", LONG)
    assert after == long or json.loads(after)["b"] == "y"
