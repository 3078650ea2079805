"""Where calls go, and the head of a request as bytes. What does not change from call to call is made ready once."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from yarl import URL

from gateway.upstream.faults import broken

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_OURS = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "thriftgate"}
# They say where a message ends and a connection goes; whoever else sets them lets one request pass for two.
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer"})


class Origin(NamedTuple):
    """What a connection leads to."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where calls go and the headers that all of them carry. `start` is the request line, `lines` are the headers by
    their names, `head` is both."""

    url: URL
    origin: Origin
    start: bytes
    lines: Mapping[str, bytes]
    head: bytes

    def head_for(self, headers: Mapping[str, str], length: int) -> bytes:
        """The head of one POST of `length` bytes with headers of its own; they take the place of the address's.

        Raises `UpstreamError` for a header that cannot be sent.
        """
        own = {name.lower(): _line(name.lower(), value) for name, value in headers.items()}
        tail = b"content-length: %d\r\n\r\n" % length
        if self.lines.keys().isdisjoint(own):
            return b"".join((self.head, *own.values(), tail))
        return b"".join((self.start, *{**self.lines, **own}.values(), tail))


def address(url: str, headers: Mapping[str, str]) -> Address:
    """Raises `UpstreamError` where the URL is none or a header cannot be sent."""
    try:
        parsed = URL(url)
        parsed.raw_host.encode("ascii") if parsed.raw_host else None
    except ValueError:
        raise _unusable() from None
    if parsed.scheme not in {"http", "https"} or not parsed.raw_host or not parsed.port:
        raise _unusable()
    given = {name.lower(): value for name, value in headers.items()}
    if parsed.raw_user is not None or parsed.raw_password is not None:
        if "authorization" in given:
            raise _unusable()  # two ways to say who calls, and no telling which is meant
        given["authorization"] = _basic(parsed)
    fields = {"host": parsed.host_port_subcomponent or parsed.raw_host, "accept": "*/*", **given, **_OURS}
    lines = {name: _line(name, value) for name, value in fields.items()}
    start = f"POST {parsed.raw_path_qs} HTTP/1.1\r\n".encode("ascii")
    origin = Origin(parsed.scheme, parsed.raw_host, parsed.port)
    return Address(parsed, origin, start, lines, b"".join((start, *lines.values())))


def _unusable() -> Exception:
    return broken("connect", "the upstream's address cannot be used", retryable=False)


def _basic(url: URL) -> str:
    return "Basic " + base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def _line(name: str, value: str) -> bytes:
    if name in _FRAMING or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise broken("connect", f"the header {name[:80]!r} for the upstream cannot be sent", retryable=False)
    return f"{name}: {value}\r\n".encode()
