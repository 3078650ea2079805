"""What a body demands: capabilities of a model, media, caching."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.api import Capability, Json

_BY_CONTENT = {
    "image_url": Capability.VISION,
    "input_audio": Capability.AUDIO,
    "file": Capability.FILES,
}
_NO_REASONING = (None, "none", "minimal")
_FIVE_MINUTES, _HOUR = 300.0, 3_600.0


@dataclass(frozen=True, slots=True)
class CacheMarks:
    """What a body asks the provider to cache: all up to and with message `last` (-1: the tools alone), for so many
    seconds."""

    last: int
    seconds: float


def needs(body: Json) -> frozenset[Capability]:
    """What a model must be able to do to take `body` as it is."""
    found = set(_of_fields(body))
    if any(message.get("tool_calls") for message in body["messages"]):
        found.add(Capability.TOOLS)
    found.update(_of_content(body))
    return frozenset(found)


def has_media(body: Json) -> bool:
    """Whether the prompt holds more than text, whose length then says little about its tokens."""
    return media_count(body) > 0


def media_count(body: Json) -> int:
    """How many pictures, recordings and files the prompt holds."""
    return sum(1 for _ in _of_content(body))


def choices(body: Json) -> int:
    """How many answers are asked for at once (`n`); each is billed."""
    wanted = body.get("n")
    return wanted if type(wanted) is int and wanted > 1 else 1


def service_tier(body: Json) -> str | None:
    """The price class that is asked for (`priority`, `flex`)."""
    tier = body.get("service_tier")
    return tier if isinstance(tier, str) else None


def cache_marks(body: Json) -> CacheMarks | None:
    """How far the body marks what the provider shall cache, and for how long at the most (Anthropic's `cache_control`;
    OpenAI needs no marks). `None` where it marks nothing."""
    last, hour = None, False
    for index, mark in _marks(body):
        last = index if last is None else max(last, index)
        hour = hour or (isinstance(mark, dict) and mark.get("ttl") == "1h")
    return None if last is None else CacheMarks(last, _HOUR if hour else _FIVE_MINUTES)


def _marks(body: Json) -> Iterator[tuple[int, Any]]:
    """Each mark, with the message up to which it reaches."""
    messages, tools = body["messages"], body.get("tools")
    if "cache_control" in body:
        yield len(messages) - 1, body["cache_control"]
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and "cache_control" in tool:
            yield -1, tool["cache_control"]
    for index, message in enumerate(messages):
        if "cache_control" in message:
            yield index, message["cache_control"]
        content = message.get("content")
        for item in content if content.__class__ is list else ():
            if item.__class__ is dict and "cache_control" in item:
                yield index, item["cache_control"]


def _of_fields(body: Json) -> Iterator[Capability]:
    if body.get("tools") or body.get("functions"):
        yield Capability.TOOLS
    response_format = body.get("response_format")
    if isinstance(response_format, dict) and response_format.get("type") == "json_schema":
        yield Capability.JSON_SCHEMA
    modalities = body.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        yield Capability.AUDIO
    # A model that does not reason refuses the parameter, so asking for effort is a demand and not a wish.
    if body.get("reasoning_effort") not in _NO_REASONING:
        yield Capability.REASONING


def _of_content(body: Json) -> Iterator[Capability]:
    for item in _content_items(body):
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind in _BY_CONTENT:
            yield _BY_CONTENT[kind]


def _content_items(body: Json) -> list[Any]:
    """All pieces of content that come in lists: hundreds of messages have none."""
    lists = [content for message in body["messages"] if isinstance(content := message.get("content"), list)]
    return [item for content in lists for item in content]
