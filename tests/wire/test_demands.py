"""What a body demands."""

import pytest

from gateway.api import Capability
from gateway.wire import asks_for_caching, has_media, needs


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"tools": [], "response_format": {"type": "json_object"}, "reasoning_effort": None}, set()),
        ({"reasoning_effort": "minimal", "modalities": ["text"]}, set()),
        ({"tools": [{"type": "function"}]}, {Capability.TOOLS}),
        ({"functions": [{"name": "f"}]}, {Capability.TOOLS}),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {Capability.JSON_SCHEMA}),
        ({"reasoning_effort": "high"}, {Capability.REASONING}),
        ({"modalities": ["text", "audio"]}, {Capability.AUDIO}),
    ],
)
def test_needs_of_fields(fields, expected):
    assert needs({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields) == expected


def test_needs_of_content_anywhere_in_the_conversation():
    messages = [
        {"role": "user", "content": [{"type": "image_url"}, {"type": ["odd"]}, "odd", {"type": "file"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]},
        {"role": "tool", "content": [{"type": "input_audio"}]},
    ]
    expected = {Capability.VISION, Capability.FILES, Capability.TOOLS, Capability.AUDIO}
    assert needs({"model": "m", "messages": messages}) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("image_url", False),
        ([{"type": "text", "text": "image_url"}], False),
        ([{"type": "text"}, {"type": "file"}], True),
    ],
)
def test_media(content, expected):
    assert has_media({"model": "m", "messages": [{"role": "system"}, {"role": "user", "content": content}]}) is expected


MARK = {"cache_control": {"type": "ephemeral"}}
TEXT = {"type": "text", "text": "cache_control"}


@pytest.mark.parametrize(
    ("message", "fields", "expected"),
    [
        ({"content": "cache_control"}, {"tools": "odd"}, False),
        ({"content": [TEXT, "cache_control"]}, {"tools": [{"type": "function"}, "cache_control"]}, False),
        ({"content": [TEXT, TEXT | MARK]}, {}, True),
        ({"content": "x"} | MARK, {}, True),
        ({"content": "x"}, {"tools": [{"type": "function"} | MARK]}, True),
        ({"content": "x"}, MARK, True),
    ],
)
def test_cache_marks(message, fields, expected):
    assert asks_for_caching({"model": "m", "messages": [{"role": "user"} | message]} | fields) is expected
