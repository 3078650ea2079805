"""What an upstream call gives back, and how long it may take."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect`: until the connection stands. `first_byte`: until a stream's head arrives (a whole answer is
    written before its head is sent, so only the call's own `timeout` bounds that). `idle`: between two reads."""

    connect: float = 10.0
    first_byte: float = 120.0
    idle: float = 120.0


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer: an OpenAI `chat.completion` as bytes, untouched where the upstream speaks OpenAI's wire. A body
    of status 200 that is plainly none has raised; the rest shows when it is parsed, once, by who reads it."""

    body: bytes


@dataclass(slots=True)
class Streamed:
    """An answer as it comes: each item is the server-sent events that arrived together, one or more, each complete with
    the blank line behind it.

    The generator raises `UpstreamError` where the upstream reports an error or breaks off; `aclose()` closes the
    upstream's connection at once.
    """

    events: AsyncGenerator[list[bytes], None]
