"""Server-sent events: cutting an upstream's bytes into whole events, and writing our own.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in LF, CRLF or CR, and
a blank line ends an event.
"""

from __future__ import annotations

import re

from gateway.api import BadRequest, Json, UpstreamError
from gateway.wire.codec import dumps, loads

DONE = b"data: [DONE]\n\n"
MAX_EVENT = 8 * 1024 * 1024
"""Bytes of one event. More is no stream of chunks but an upstream gone astray."""

# A line's end and then an empty line. A CR counts for itself only when the next byte is known not to be LF.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?=[^\n]))")
_LONGEST_BLANK_LINE = 4
_BOM = b"\xef\xbb\xbf"


class SseSplitter:
    """Cuts a byte stream into events. Their bytes, blank line included, are those that came in."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._pending = bytearray()
        self._searched = 0  # up to here `_pending` holds no end of an event: each byte is looked at once
        self._has_cr = False  # no upstream we know sends any, and without them a plain search does

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. Raises `UpstreamError` when one grows beyond the limit."""
        pending = self._pending
        pending += data
        self._has_cr = self._has_cr or data.find(b"\r") >= 0
        events: list[bytes] = []
        start, search = 0, self._searched
        while (end := self._end_of_event(search)) is not None:
            self._check_size(end - start)
            events.append(bytes(pending[start:end]))
            start = search = end
        if start:
            del pending[:start]
        self._check_size(len(pending))
        self._searched = max(0, len(pending) - _LONGEST_BLANK_LINE + 1)
        return events

    def flush(self) -> list[bytes]:
        """What is left when the stream has ended: an event that lacks its blank line, if anything.

        Where the stream broke off instead of ending it may be half an event: see `cut_off`.
        """
        rest = bytes(self._pending)
        self._pending.clear()
        self._searched = 0
        return [rest] if rest.strip() else []

    def _end_of_event(self, search: int) -> int | None:
        if not self._has_cr:
            found = self._pending.find(b"\n\n", search)
            return None if found < 0 else found + 2
        match = _BLANK_LINE.search(self._pending, search)
        return match.end() if match else None

    def _check_size(self, size: int) -> None:
        if size > self._max_event:
            raise UpstreamError(
                f"The upstream sent an event of more than {self._max_event} bytes.",
                fault="protocol",
                code="upstream_event_too_large",
                retryable=False,
                elsewhere=True,
            )


def data_of(event: bytes) -> bytes | None:
    """The data of one event, its lines joined; `None` where it has none (a comment, a keep-alive)."""
    end = len(event) - 2
    if event[:6] == b"data: " and event.find(b"\n") == end and event[end:] == b"\n\n" and event.find(b"\r") < 0:
        return event[6:end]  # nearly always: one line
    lines = []
    for line in event.removeprefix(_BOM).splitlines():
        field, colon, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" ") if colon else b"")
    return b"\n".join(lines) if lines else None


def cut_off(event: bytes) -> bool:
    """Whether what stood last in a stream, without a blank line behind it, is half an event: its data is neither JSON
    nor `[DONE]`."""
    data = data_of(event)
    if data is None or data.strip() == b"[DONE]":
        return False
    try:
        loads(data)
    except BadRequest:
        return True
    return False


def with_data(event: bytes, data: bytes) -> bytes:
    """`event` with other data (one line), its other lines kept."""
    others = [line for line in event.removeprefix(_BOM).splitlines() if line and line.partition(b":")[0] != b"data"]
    return b"\n".join([*others, b"data: " + data, b"", b""])


def error_event(error: Json) -> bytes:
    """The event that tells a caller, after the first byte, that the stream failed: `error` is OpenAI's error object,
    with or without the `error` key around it."""
    body = error if "error" in error else {"error": error}
    return b"data: " + dumps(body) + b"\n\n"
