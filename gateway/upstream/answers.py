"""What an upstream call gives back, and how long it may take."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.api import Usage


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect`: until the connection stands. `first_byte`: until a stream's head arrives (a whole answer is
    written before its head is sent, so only the call's own `timeout` bounds that). `idle`: between two reads."""

    connect: float = 10.0
    first_byte: float = 120.0
    idle: float = 120.0


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer: an OpenAI `chat.completion` as bytes, untouched where the upstream speaks OpenAI's wire."""

    body: bytes
    usage: Usage | None
    status: int = 200


@dataclass(slots=True)
class Streamed:
    """An answer as it comes: each item is one complete server-sent event, the blank line behind it included.

    The generator raises `UpstreamError` where the upstream reports an error or breaks off; `aclose()` closes the
    upstream's connection at once.
    """

    events: AsyncGenerator[bytes, None]


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    """The `usage` object of an OpenAI-shaped answer or stream chunk; `None` where it has none that can be read.

    OpenAI counts cached tokens inside `prompt_tokens` and reasoning inside `completion_tokens`. DeepSeek names cached
    tokens `prompt_cache_hit_tokens`. xAI leaves reasoning out of `completion_tokens` but not out of the total.
    """
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    prompt_details = _details(usage, "prompt_tokens_details")
    cached = _count(prompt_details.get("cached_tokens"))
    if cached is None:
        cached = _count(usage.get("prompt_cache_hit_tokens")) or 0
    written = _count(prompt_details.get("cache_write_tokens"))
    if written is None:
        written = _count(prompt_details.get("cache_creation_tokens"))
    if written is None:
        written = _count(usage.get("cache_creation_input_tokens")) or 0
    reasoning = _count(_details(usage, "completion_tokens_details").get("reasoning_tokens")) or 0
    total = _count(usage.get("total_tokens"))
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning
    hour = _count(_details(prompt_details, "cache_creation_token_details").get("ephemeral_1h_input_tokens")) or 0
    return Usage(
        input=prompt,
        output=completion,
        cached=cached,
        cache_write=written,
        reasoning=reasoning,
        cache_write_1h=hour,
    )


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = usage.get(name)
    return details if isinstance(details, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
