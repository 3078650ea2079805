"""What a body demands."""

import pytest

from gateway.api import Capability
from gateway.wire import CacheMarks, cache_marks, has_media, needs


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
FOR_AN_HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TEXT = {"type": "text", "text": "cache_control"}


@pytest.mark.parametrize(
    ("message", "fields", "expected"),
    [
        ({"content": "cache_control"}, {"tools": "odd"}, None),
        ({"content": [TEXT, "cache_control"]}, {"tools": [{"type": "function"}, "cache_control"]}, None),
        ({"content": [TEXT, TEXT | MARK]}, {}, CacheMarks(1, 300.0)),
        ({"content": "x"} | MARK, {}, CacheMarks(1, 300.0)),
        ({"content": "x"} | FOR_AN_HOUR, {"tools": [{"type": "function"} | MARK]}, CacheMarks(1, 3_600.0)),
        ({"content": "x"}, {"tools": [{"type": "function"} | MARK]}, CacheMarks(-1, 300.0)),
        ({"content": "x"}, MARK, CacheMarks(2, 300.0)),
        ({"content": "x"}, {"cache_control": "odd"}, CacheMarks(2, 300.0)),
    ],
)
def test_cache_marks(message, fields, expected):
    messages = [{"role": "system", "content": "y"}, {"role": "user"} | message, {"role": "assistant"}]
    assert cache_marks({"model": "m", "messages": messages} | fields) == expected
