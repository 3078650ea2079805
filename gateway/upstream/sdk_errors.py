"""Undoes what litellm does to errors: it folds a refused connection into a 500 and wraps the upstream's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.api import UpstreamError
from gateway.upstream.faults import Said, broken, clean, from_words, retry_after, said_in

_WRAPPING = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception)\b(?: - |: | ))+")
# Class names in the chain of causes (of httpx, aiohttp, asyncio and openai), most telling first.
_CONNECT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorCertificateError",
        "ConnectionTimeoutError",
        "ConnectionRefusedError",
        "gaierror",
    }
)
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
        "APIConnectionError",
    }
)
_PROTOCOL = frozenset({"JSONDecodeError", "ValidationError", "DecodingError"})
_NONSENSE = re.compile(r"Empty or invalid response from LLM|Unable to get json response|Expecting value: line")


def translated(error: Exception, *, secret: str | None) -> UpstreamError:
    """The `UpstreamError` for whatever litellm raised."""
    status = _status(error)
    broke = _broken_line(error)
    if broke is not None:
        return broke
    if status is not None:
        return from_words(status, _said(error), retry_after=retry_after(_headers(error)), secret=secret)
    message = clean(f"{type(error).__name__}: {error}", secret)
    return broken("protocol", f"litellm could not carry the call: {message}", retryable=False)


def _broken_line(error: Exception) -> UpstreamError | None:
    """The fault of the line that stands behind an error, if one does: litellm gives a status to those as well."""
    names = {type(cause).__name__ for cause in _causes(error)}
    if names & _CONNECT:
        return broken("connect", "no connection to the upstream")
    if names & _TIMEOUT:
        return broken("timeout", "the upstream did not answer in time")
    if names & _PROTOCOL or _NONSENSE.search(str(error)):
        return broken("protocol", "the upstream's answer makes no sense")
    if names & _RESET:
        return broken("reset", "the connection to the upstream broke off")
    return None


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


def _headers(error: Exception) -> Mapping[str, str]:
    for holder in (getattr(error, "response", None), error):
        for name in ("headers", "litellm_response_headers"):
            headers: Any = getattr(holder, name, None)
            if headers:
                return {str(key).lower(): str(value) for key, value in dict(headers).items()}
    return {}


def _said(error: Exception) -> Said:
    message = _WRAPPING.sub("", str(getattr(error, "message", None) or error)).strip()
    message = message.partition("\nReceived Messages=")[0]  # the whole conversation, which has no place in an error
    quoted = _quoted(message)
    if quoted is not None:
        return said_in(quoted)
    body = getattr(error, "body", None)
    words = body if isinstance(body, dict) else {}
    return Said(message, _word(words.get("code")), _word(words.get("type")), _word(words.get("param")))


def _quoted(message: str) -> bytes | None:
    """The upstream's error body, which litellm quotes somewhere inside its own sentence."""
    start = message.find("{")
    if start < 0:
        return None
    try:
        _, length = json.JSONDecoder().raw_decode(message[start:])
    except json.JSONDecodeError:
        return None
    return message[start : start + length].encode()


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value and not value.isdigit() else None
