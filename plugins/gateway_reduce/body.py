"""The texts of a chat body as parts, and edits put back into it, for use without a gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.api import Edit, Json, Part, Path


def parts_of(body: Json) -> tuple[Part, ...]:
    """The texts of a chat body in their order. What has another form than the API's is passed over."""
    messages = body.get("messages")
    return tuple(_parts(messages)) if isinstance(messages, list) else ()


def _parts(messages: list[Any]) -> Iterator[Part]:
    tools: dict[str, str] = {}  # call id -> tool, as far as the conversation has come
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            continue
        role = message["role"]
        if role in ("tool", "function"):
            call_id = _text(message.get("tool_call_id"))
            tool = (tools.get(call_id) if call_id else None) or _text(message.get("name"))
            for path, text in _contents(at, message.get("content")):
                yield Part(path, role, "tool_result", text, at, call_id, tool)
            continue
        for path, text in _contents(at, message.get("content")):
            yield Part(path, role, "text", text, at)
        yield from _calls(at, message, tools)


def _contents(at: int, content: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(content, str):
        yield ("messages", at, "content"), content
    elif isinstance(content, list):
        for n, piece in enumerate(content):
            if isinstance(piece, dict) and piece.get("type") == "text" and isinstance(piece.get("text"), str):
                yield ("messages", at, "content", n, "text"), piece["text"]


def _calls(at: int, message: Json, tools: dict[str, str]) -> Iterator[Part]:
    calls = message.get("tool_calls")
    for n, call in enumerate(calls if isinstance(calls, list) else ()):
        function = (call.get("function") or call.get("custom")) if isinstance(call, dict) else None
        if not isinstance(function, dict):
            continue
        call_id, tool = _text(call.get("id")), _text(function.get("name"))
        if call_id and tool:
            tools[call_id] = tool
        if "function" in call and isinstance(function.get("arguments"), str):
            path: Path = ("messages", at, "tool_calls", n, "function", "arguments")
            yield Part(path, message["role"], "tool_call", function["arguments"], at, call_id, tool)
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and isinstance(legacy.get("arguments"), str):
        path = ("messages", at, "function_call", "arguments")
        yield Part(path, message["role"], "tool_call", legacy["arguments"], at, None, _text(legacy.get("name")))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def with_edits(body: Json, edits: Sequence[Edit]) -> Json:
    """A body with the edits in place. What they do not touch is shared with the given body, which stays as it was."""
    changed: Json = dict(body)
    copied: set[int] = set()
    for edit in edits:
        at: Any = changed
        for step in edit.path[:-1]:
            inner = at[step]
            if id(inner) not in copied:
                inner = at[step] = inner.copy()
                copied.add(id(inner))
            at = inner
        at[edit.path[-1]] = edit.text
    return changed
