"""litellm's answers in OpenAI's words: without what it adds, and without what it invents."""

from __future__ import annotations

from typing import Any

from gateway.api import Json

_TOP = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
# Fields that litellm adds to choices and messages whether or not there is something to say.
_SOMETIMES = ("provider_specific_fields", "thinking_blocks", "images", "annotations")


def plain_answer(answer: Any) -> Json:
    """A `ModelResponse` as OpenAI would have sent it."""
    plain = _plain(answer)
    settle_usage(plain)
    for choice in plain.get("choices") or ():
        _settle_choice(choice)
    return plain


def plain_chunk(chunk: Any) -> Json:
    """A `ModelResponseStream` as OpenAI would have sent it."""
    plain = _plain(chunk)
    settle_usage(plain)
    choices = plain.setdefault("choices", [])
    for choice in choices:
        choice.setdefault("finish_reason", None)
        drop_hollow(choice)
        delta = choice.get("delta", {})
        drop_hollow(delta)
        for call in delta.get("tool_calls") or ():
            settle_call(call)
    if "usage" in plain and not any(choice.get("delta") or choice["finish_reason"] for choice in choices):
        plain["choices"] = []  # as OpenAI sends it; litellm adds an empty choice
    return plain


def settle_call(call: Json) -> None:
    """A streamed call's later pieces carry its index and their arguments alone."""
    if not call.get("id"):
        call.pop("id", None)
        call.pop("type", None)
        function = call.get("function", {})
        if not function.get("name"):
            function.pop("name", None)


def drop_hollow(item: Json) -> None:
    for name in _SOMETIMES:
        value = item.get(name)
        if name in item and not (any(value.values()) if isinstance(value, dict) else value):
            del item[name]


def settle_usage(answer: Json) -> None:
    """litellm writes zeros where the upstream reported nothing; unknown is left out instead. Its estimate of the cost,
    from its own price list, is left out too."""
    usage = answer.get("usage")
    if not isinstance(usage, dict) or not (usage.get("prompt_tokens") or usage.get("completion_tokens")):
        answer.pop("usage", None)
    else:
        usage.pop("cost", None)


def _plain(answer: Any) -> Json:
    """As a dictionary of what OpenAI has at the top; litellm adds fields of its own."""
    dumped: Json = answer.model_dump(exclude_none=True)
    return {name: value for name, value in dumped.items() if name in _TOP}


def _settle_choice(choice: Json) -> None:
    choice.setdefault("finish_reason", None)
    drop_hollow(choice)
    message = choice.get("message", {})
    message.setdefault("content", None)
    drop_hollow(message)
    for call in message.get("tool_calls") or ():
        call.pop("index", None)  # belongs to streams
