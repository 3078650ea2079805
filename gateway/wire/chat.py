"""OpenAI's chat completions: a body to a `ChatRequest`.

Strict only where the gateway itself has to understand; every other field, role and kind of content passes untouched
and is the upstream's to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.api import BadRequest, ChatRequest, Json, Part
from gateway.wire.client import client_kind, retry_count
from gateway.wire.codec import loads
from gateway.wire.hints import read_hints, without_hints

_LONGEST_MODEL = 256


def parse(raw: bytes, headers: Mapping[str, str]) -> ChatRequest:
    """The request in `raw`. `headers` are looked up in lower case. Raises `BadRequest`."""
    body = loads(raw)
    if not isinstance(body, dict):
        raise BadRequest(f"Invalid body: expected an object, but got {_kind(body)} instead.", code="invalid_type")
    _check_model(body)
    messages = _checked_messages(body)
    _check_stream(body)
    return ChatRequest(
        body=without_hints(body),
        parts=tuple(parts_of(messages)),
        messages=len(messages),
        size=len(raw),
        hints=read_hints(headers, body.get("metadata")),
        client=client_kind(headers),
        retry_count=retry_count(headers),
    )


def wants_usage(body: Json) -> bool:
    """Whether the caller asked for the usage chunk at a stream's end."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def parts_of(messages: list[Json]) -> Iterator[Part]:
    """The editable texts of checked messages, in order."""
    tools: dict[str, str] = {}  # call id -> tool, as far as the conversation has come
    for index, message in enumerate(messages):
        role = message["role"]
        content = message.get("content")
        if role in ("tool", "function"):
            call_id = _text(message.get("tool_call_id"))
            tool = tools.get(call_id) if call_id else None
            yield from _content_parts(
                index, role, content, ("tool_result", call_id, tool or _text(message.get("name")))
            )
            continue
        if content is not None:
            yield from _content_parts(index, role, content, ("text", None, None))
        if "tool_calls" in message:
            yield from _call_parts(index, role, message["tool_calls"], tools)
        if "function_call" in message:
            yield from _legacy_call_part(index, role, message["function_call"])


def _content_parts(index: int, role: str, content: Any, told: tuple[Any, str | None, str | None]) -> Iterator[Part]:
    kind, call_id, tool = told
    if isinstance(content, str):
        yield Part(("messages", index, "content"), role, kind, content, index, call_id, tool)
    elif isinstance(content, list):
        for number, item in enumerate(content):
            if isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str):
                path = ("messages", index, "content", number, "text")
                yield Part(path, role, kind, item["text"], index, call_id, tool)


def _call_parts(index: int, role: str, calls: Any, tools: dict[str, str]) -> Iterator[Part]:
    """Custom tools (free text in, no JSON) are remembered for their results but are no part."""
    if not isinstance(calls, list):
        return
    for number, call in enumerate(calls):
        if not isinstance(call, dict):
            continue
        function = call.get("function") or call.get("custom")
        if not isinstance(function, dict):
            continue
        call_id, tool = _text(call.get("id")), _text(function.get("name"))
        if call_id and tool:
            tools[call_id] = tool
        if isinstance(function.get("arguments"), str) and "function" in call:
            path = ("messages", index, "tool_calls", number, "function", "arguments")
            yield Part(path, role, "tool_call", function["arguments"], index, call_id, tool)


def _legacy_call_part(index: int, role: str, function: Any) -> Iterator[Part]:
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        path = ("messages", index, "function_call", "arguments")
        yield Part(path, role, "tool_call", function["arguments"], index, None, _text(function.get("name")))


def _check_model(body: Json) -> None:
    model = body.get("model")
    if model is None or model == "":
        raise BadRequest("Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
    if not isinstance(model, str):
        raise _wrong_type("model", "a string", model)
    if len(model) > _LONGEST_MODEL:
        raise BadRequest(
            f"Invalid 'model': more than {_LONGEST_MODEL} characters.", code="string_above_max_length", param="model"
        )


def _checked_messages(body: Json) -> list[Json]:
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages")
    if not isinstance(messages, list):
        raise _wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise BadRequest(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            code="empty_array",
            param="messages",
        )
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise _wrong_type(f"messages[{index}]", "an object", message)
        role = message.get("role")
        if role is None:
            param = f"messages[{index}].role"
            raise BadRequest(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
        if not isinstance(role, str):
            raise _wrong_type(f"messages[{index}].role", "a string", role)
    return messages


def _check_stream(body: Json) -> None:
    """The SDKs send `null` for what is not set, so it counts as absent."""
    stream, options = body.get("stream"), body.get("stream_options")
    if stream is not None and not isinstance(stream, bool):
        raise _wrong_type("stream", "a boolean", stream)
    if options is None:
        return
    if not isinstance(options, dict):
        raise _wrong_type("stream_options", "an object", options)
    if not stream:
        raise BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            code="invalid_value",
            param="stream_options",
        )
    usage = options.get("include_usage")
    if usage is not None and not isinstance(usage, bool):
        raise _wrong_type("stream_options.include_usage", "a boolean", usage)


def _wrong_type(param: str, expected: str, value: Any) -> BadRequest:
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return BadRequest(message, code="invalid_type", param=param)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
