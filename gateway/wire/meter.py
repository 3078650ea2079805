"""Reading a chat stream while it is relayed: usage, finish reason, first token, and what the caller did not ask for.

Each chunk is parsed. For chunks of the usual size orjson takes about a microsecond for it, which is less than a test
of the raw bytes that would be right for every spelling of JSON. What is relayed are the upstream's own bytes.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.api import BadRequest, Json
from gateway.wire.codec import dumps, length, loads
from gateway.wire.sse import data_of, with_data

_NULL_USAGE = b',"usage":null'
_WRITTEN = frozenset({"content", "reasoning_content", "reasoning", "refusal"})
_CALLS = frozenset({"tool_calls", "function_call", "audio"})


class StreamMeter:
    """Watches one stream. `wants_usage`: the caller asked for the usage chunk; otherwise it is kept from it, as if
    the gateway had not asked for it either.

    `characters` counts what the model wrote (text, reasoning, tool calls; bytes of UTF-8), for an estimate where no
    usage comes.
    `usage` and `error` are the upstream's own objects, `service_tier` its word for the price class that served.
    """

    __slots__ = (
        "characters",
        "done",
        "error",
        "finish_reason",
        "first_token",
        "id",
        "model",
        "service_tier",
        "usage",
        "wants_usage",
    )

    def __init__(self, wants_usage: bool) -> None:
        self.wants_usage = wants_usage
        self.usage: Json | None = None
        self.finish_reason: str | None = None
        self.first_token = False
        self.characters = 0
        self.done = False
        self.error: Json | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.service_tier: str | None = None

    def observe(self, event: bytes) -> bytes | None:
        """The event to relay: as it came, or without its usage; `None` to drop it.

        The closing `[DONE]` is dropped too: whoever relays says it once the call is on record.
        """
        data = data_of(event)
        if data is None:
            return event
        chunk = _parsed(data)
        if chunk is None:
            done = data.strip() == b"[DONE]"
            self.done = self.done or done
            return None if done else event
        choices = chunk.get("choices")
        if choices:
            self._read_choices(choices)
        if self.id is None or "service_tier" in chunk:
            self._read_names(chunk)
        if "error" in chunk and self.error is None:
            self._read_error(chunk["error"])
        return self._without_usage(event, chunk) if "usage" in chunk else event

    def _read_choices(self, choices: Any) -> None:
        if not isinstance(choices, list):
            return
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            reason = choice.get("finish_reason")
            if isinstance(reason, str) and (self.finish_reason is None or not choice.get("index")):
                self.finish_reason = reason
            delta = choice.get("delta")
            if isinstance(delta, dict):
                self._read_delta(delta)

    def _read_delta(self, delta: Json) -> None:
        written = 0
        for name, value in delta.items():
            if value.__class__ is str:
                if name in _WRITTEN and not (name == "reasoning" and "reasoning_content" in delta):
                    written += length(value)  # some upstreams send one reasoning under both names
            elif value and name in _CALLS:
                self.first_token = True
                written += sum(_call_length(call) for call in (value if isinstance(value, list) else (value,)))
        if written:
            self.characters += written
            self.first_token = True

    def _read_names(self, chunk: Json) -> None:
        self.id = _word(chunk.get("id")) or self.id
        self.model = _word(chunk.get("model")) or self.model
        self.service_tier = _word(chunk.get("service_tier")) or self.service_tier

    def _read_error(self, error: Any) -> None:
        if error is not None:
            self.error = error if isinstance(error, dict) else {"message": str(error)}

    def _without_usage(self, event: bytes, chunk: Json) -> bytes | None:
        usage = chunk["usage"]
        if isinstance(usage, dict):
            self.usage = usage
        if self.wants_usage:
            return event
        if usage and not chunk.get("choices") and "error" not in chunk:
            return None
        if usage is None and event.count(b'"usage"') == 1 and _NULL_USAGE in event:
            # The one `"usage"` is the chunk's own key: inside a string its quotes would be escaped.
            return event.replace(_NULL_USAGE, b"", 1)
        return with_data(event, dumps({key: value for key, value in chunk.items() if key != "usage"}))


def _parsed(data: bytes) -> Json | None:
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        if data.strip() == b"[DONE]":
            return None
        try:
            chunk = loads(data)
        except BadRequest:  # not ours to judge: it is relayed, and counts for nothing
            return None
    return chunk if isinstance(chunk, dict) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _call_length(call: Any) -> int:
    """Of a tool call's piece, of a legacy function call, or of audio (its transcript)."""
    if not isinstance(call, dict):
        return 0
    told = call.get("function", call)
    if not isinstance(told, dict):
        return 0
    texts = (told.get("name"), told.get("arguments"), told.get("transcript"))
    return sum(length(text) for text in texts if isinstance(text, str))
