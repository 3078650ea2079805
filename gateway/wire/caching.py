"""What is added to a body so that its provider caches it: Anthropic's marks, OpenAI's key. A copy is changed, which
shares with the given body all that stays as it was."""

from __future__ import annotations

from typing import Any

from gateway.api import Json

_MARK = {"type": "ephemeral"}
_SYSTEM = ("system", "developer")
_MARKED_PIECES = frozenset({"text", "image_url"})  # pieces of content that may carry a mark


def with_cache_marks(body: Json) -> Json:
    """`body` with a mark at the end of its system prompt and at the end of its conversation.

    A mark stands where it leaves the message's form alone: beside a text or a tool's result, or on the last piece of
    a list. So a message
    that has lost its mark in the next request still reads the same, and what is cached stays the beginning.
    """
    messages = list(body["messages"])
    begin = next((at for at, one in enumerate(messages) if one["role"] not in _SYSTEM), len(messages))
    places = [at for at in (_last(messages, 0, begin), _last(messages, begin, len(messages))) if at is not None]
    for at in places:
        messages[at] = _marked(messages[at])
    return {**body, "messages": messages} if places else body


def with_cache_key(body: Json, key: str) -> Json:
    """`body` with `prompt_cache_key`, where the caller has set none."""
    return body if body.get("prompt_cache_key") else {**body, "prompt_cache_key": key}


def _last(messages: list[Json], begin: int, end: int) -> int | None:
    """The last message of this stretch that can be marked."""
    return next((at for at in reversed(range(begin, end)) if _can(messages[at])), None)


def _can(message: Json) -> bool:
    """An empty text may carry no mark, nor may a message of calls alone, which has no text."""
    content = message.get("content")
    if isinstance(content, str):
        return bool(content.strip()) and not (message["role"] == "assistant" and message.get("tool_calls"))
    if message["role"] == "tool" and isinstance(content, list):
        return any(map(_can_piece, content))
    return isinstance(content, list) and bool(content) and _can_piece(content[-1])


def _can_piece(piece: Any) -> bool:
    if not isinstance(piece, dict) or piece.get("type") not in _MARKED_PIECES:
        return False
    return piece["type"] != "text" or (isinstance(piece.get("text"), str) and bool(piece["text"].strip()))


def _marked(message: Json) -> Json:
    content = message["content"]
    if isinstance(content, str) and message["role"] == "developer":
        # Becomes a system message at Anthropic, and loses what stands beside its text on the way.
        content = [{"type": "text", "text": content}]
    if isinstance(content, str) or message["role"] == "tool":
        return {**message, "cache_control": dict(_MARK)}
    return {**message, "content": [*content[:-1], {**content[-1], "cache_control": dict(_MARK)}]}
