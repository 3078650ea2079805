"""A request as a provider reads it: the tools, then each message, in tokens of o200k_base.

How a provider lays out ids and names is its secret; this layout is the same for every body that is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import tiktoken

from bench.context.traces import Json
from gateway_reduce.tokens import use_shipped_vocabulary

PICTURE = 765  # tokens of a picture of middling size; only differences matter
PIECE = 20_000  # characters: the merger is quadratic in a run without a word border


@dataclass(frozen=True)
class Segment:
    """A message or the tools: the tokens, and what pictures add to their number."""

    tokens: Sequence[int]
    media: int = 0

    @property
    def size(self) -> int:
        return len(self.tokens) + self.media


@dataclass(frozen=True)
class Prompt:
    """`head` is how many segments the tools and the system prompt take; `marks` are the segments behind which the body
    itself says that a cached beginning shall end (`cache_control`)."""

    segments: tuple[Segment, ...]
    head: int = 1
    marks: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)


def prompt_of(body: Json) -> Prompt:
    tools, messages = body.get("tools"), body["messages"]
    segments, marks = list[Segment](), list[int]()
    if tools:
        segments.append(Segment(tokens_of(json.dumps(unmarked(tools), ensure_ascii=False, separators=(",", ":")))))
    head = len(segments) + (bool(messages) and messages[0].get("role") in ("system", "developer"))
    for message in messages:
        inner = [*_pieces(message), *(message.get("tool_calls") or ())]
        if any("cache_control" in piece for piece in (message, *inner)):
            marks.append(len(segments))
        segments.append(Segment(tokens_of(layout(message)), PICTURE * len(pictures(message))))
    return Prompt(tuple(segments), max(1, head), tuple(marks))


def shared(old: Prompt, new: Prompt) -> int:
    """Tokens at the beginning of `new` that `old` began with too."""
    same = 0
    for mine, theirs in zip(new.segments, old.segments, strict=False):
        if mine == theirs:
            same += mine.size
            continue
        pairs = zip(mine.tokens, theirs.tokens, strict=False)
        alike = min(len(mine.tokens), len(theirs.tokens))
        return same + next((at for at, (a, b) in enumerate(pairs) if a != b), alike)
    return same


def layout(message: Json) -> str:
    """A message in words: role, names and ids, text, calls."""
    lines = [f"<{message.get('role')}>"]
    lines += [str(message[name]) for name in ("name", "tool_call_id") if message.get(name)]
    lines.append(content_of(message))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        lines.append(f"{call.get('id')} {function.get('name')}({function.get('arguments')})")
    legacy = message.get("function_call")
    if legacy:
        lines.append(f"{legacy.get('name')}({legacy.get('arguments')})")
    return "\n".join(lines)


def content_of(message: Json) -> str:
    """The text of a message's content."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(piece["text"] for piece in _pieces(message) if isinstance(piece.get("text"), str))


def pictures(message: Json) -> list[Json]:
    """The pieces of a message's content that are no text."""
    return [piece for piece in _pieces(message) if "text" not in piece]


def unmarked(value: Any) -> Any:
    """A JSON value without any `cache_control`."""
    if isinstance(value, dict):
        return {name: unmarked(inner) for name, inner in value.items() if name != "cache_control"}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


def _pieces(message: Json) -> Iterable[Json]:
    content = message.get("content")
    return [piece for piece in content if isinstance(piece, dict)] if isinstance(content, list) else []


@cache  # a replayed session shows each message once for every later turn
def tokens_of(text: str) -> tuple[int, ...]:
    encode = _encoding().encode_ordinary
    return tuple(token for at in range(0, len(text), PIECE) for token in encode(text[at : at + PIECE]))


@cache
def _encoding() -> tiktoken.Encoding:
    use_shipped_vocabulary()
    return tiktoken.get_encoding("o200k_base")
