"""Cuts a stream of bytes into server-sent events without touching them."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable

from gateway.upstream.faults import broken

MAX_EVENT = 16 * 1024 * 1024
DONE = b"data: [DONE]\n\n"

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")


async def split(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Each item is one event with its blank line, byte for byte. What is left at the end comes as a last item, its
    blank line added where it holds a whole line."""
    rest = bytearray()
    looked = 0
    async for chunk in chunks:
        rest += chunk
        start = 0
        while found := _BLANK_LINE.search(rest, max(start, looked)):
            yield bytes(rest[start : found.end()])
            start = looked = found.end()
        del rest[:start]
        # A blank line may straddle two chunks: three bytes of it may be here already.
        looked = max(0, len(rest) - 3)
        if len(rest) > MAX_EVENT:
            raise broken("protocol", f"an event of the upstream's stream is larger than {MAX_EVENT} bytes")
    if rest.strip():
        yield bytes(rest).rstrip(b"\r\n") + b"\n\n"


def data_of(event: bytes) -> bytes:
    """The data of an event, its lines joined; empty for comments and for events that carry none."""
    if event.startswith(b"data: ") and event.count(b"\n") == 2 and b"\r" not in event:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)
