"""Undoes what litellm does to errors: it folds a refused connection into a 500 and wraps the upstream's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.api import UpstreamError
from gateway.upstream.faults import Said, broken, clean, from_words, retry_after, said_in

_WRAPPING = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception)\b(?: - |: ))+")
# Class names in the chain of causes (of httpx, aiohttp, asyncio and openai), most telling first.
_CONNECT = frozenset({"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError", "gaierror"})
_CONNECT_DNS = frozenset({"ClientConnectorDNSError", "ConnectionTimeoutError", "ClientConnectorCertificateError"})
_TIMEOUT = frozenset(
    {"Timeout", "ReadTimeout", "WriteTimeout", "APITimeoutError", "SocketTimeoutError", "TimeoutError"}
)
_RESET = frozenset(
    {
        "ReadError",
        "RemoteProtocolError",
        "WriteError",
        "ServerDisconnectedError",
        "ClientOSError",
        "ClientPayloadError",
        "ConnectionResetError",
        "IncompleteRead",
    }
)
_PROTOCOL = frozenset({"JSONDecodeError", "ValidationError", "DecodingError"})


def translated(error: Exception, *, secret: str | None) -> UpstreamError:
    """The `UpstreamError` for whatever litellm raised."""
    chain = [type(cause).__name__ for cause in _causes(error)]
    names = set(chain)
    if names & (_CONNECT | _CONNECT_DNS):
        return broken("connect", "no connection to the upstream")
    if names & _TIMEOUT:
        return broken("timeout", "the upstream did not answer in time")
    status = _status(error)
    if status is not None and _came_from_upstream(error, names):
        return from_words(status, _said(error), retry_after=retry_after(_headers(error)), secret=secret)
    if names & _RESET or "APIConnectionError" in names:
        return broken("reset", "the connection to the upstream broke off")
    if names & _PROTOCOL:
        return broken("protocol", "the upstream's answer makes no sense")
    if status is not None:
        return from_words(status, _said(error), secret=secret)
    message = clean(f"{type(error).__name__}: {error}", secret)
    return broken("protocol", f"litellm could not carry the call: {message}", retryable=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "original_exception", None)]


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    number = int(status) if isinstance(status, str) and status.isdigit() else status
    return number if isinstance(number, int) and 400 <= number < 600 else None


def _came_from_upstream(error: Exception, names: set[str]) -> bool:
    """litellm gives a status to everything. It is the upstream's where no break of the line stands behind it."""
    return not names & (_RESET | _PROTOCOL) and type(error).__name__ != "APIConnectionError"


def _headers(error: Exception) -> Mapping[str, str]:
    for holder in (getattr(error, "response", None), error):
        for name in ("headers", "litellm_response_headers"):
            headers: Any = getattr(holder, name, None)
            if headers:
                return {str(key).lower(): str(value) for key, value in dict(headers).items()}
    return {}


def _said(error: Exception) -> Said:
    message = _WRAPPING.sub("", str(getattr(error, "message", None) or error)).strip()
    said = said_in(message.encode()) if message.startswith("{") else Said(message=message)
    body = getattr(error, "body", None)
    words = body if isinstance(body, dict) else {}
    return Said(
        message=said.message or message,
        code=said.code or _word(words.get("code")) or _word(getattr(error, "code", None)),
        type=said.type or _word(words.get("type")) or _word(getattr(error, "type", None)),
        param=said.param or _word(words.get("param")) or _word(getattr(error, "param", None)),
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value and not value.isdigit() else None
