"""Undoes what litellm does to errors: it folds a refused connection into a 500, wraps the upstream's own words, and
stumbles over a request that it cannot translate as if the line had broken."""

from __future__ import annotations

import ast
import json
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.api import UpstreamError
from gateway.upstream.faults import Said, broken, clean, from_words, retry_after, said_in
from gateway.wire import FAULT_CODES

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
_SHAPERS = frozenset({"transform_request", "async_transform_request"})
_FETCHES = frozenset({"ImageFetchError", "SSRFError"})
_ABOUT_THE_REQUEST = frozenset({400, 422})
# What litellm's code raises where a field is not what it expects, beside bare `Exception`s.
_STUMBLES = (ValueError, TypeError, LookupError, AttributeError, AssertionError)
# What litellm puts behind its message: the whole conversation, or its own inside.
_NO_ONES_BUSINESS = ("\nReceived Messages=", "\nTraceback (most recent call last)")
_NONSENSE = re.compile(r"Empty or invalid response from LLM|Unable to get json response|Expecting value: line")


def translated(error: Exception, *, secret: str | None, sent: bool = True) -> UpstreamError:
    """The `UpstreamError` for whatever litellm raised. `sent`: after it began to call the upstream."""
    if not sent or _while_shaping(error):
        return _unsent(error, secret)
    status = _status(error)
    broke = _broken_line(error)
    if broke is not None:
        return broke
    if status is not None:
        return from_words(status, _said(error), retry_after=retry_after(_headers(error)), secret=secret)
    message = clean(f"{type(error).__name__}: {error}", secret)
    return broken("protocol", f"litellm could not carry the call: {message}", retryable=False)


def _unsent(error: Exception, secret: str | None) -> UpstreamError:
    """The fault of a call that litellm did not begin: it could not translate the request, or lacks something itself."""
    status, causes = _status(error), list(_causes(error))
    if {type(cause).__name__ for cause in causes} & _FETCHES:
        message = "it points to media by address, which the gateway fetches for nobody; send a `data:` URL"
    elif status in _ABOUT_THE_REQUEST or isinstance(causes[-1], _STUMBLES) or type(causes[-1]) is Exception:
        root = causes[-1]
        message = _said(error).message if hasattr(root, "status_code") else f"{type(root).__name__}: {root}"
    else:
        return broken("connect", clean(_said(error).message, secret), code="misconfigured", retryable=False)
    return UpstreamError(
        clean(message, secret), fault="request", code=FAULT_CODES["request"], retryable=False, elsewhere=True
    )


def _while_shaping(error: Exception) -> bool:
    """Whether it was raised while litellm wrote the request: for some providers it says that it sends before that."""
    for cause in _causes(error):
        if isinstance(cause, UnicodeEncodeError):  # a lone surrogate, which its clients do not write
            return True
        if any(frame.f_code.co_name in _SHAPERS for frame, _ in traceback.walk_tb(cause.__traceback__)):
            return True
    return False


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
    for behind in _NO_ONES_BUSINESS:
        message = message.partition(behind)[0]
    quoted = _bytes(message) or _quoted(message)
    if quoted is not None:
        return said_in(quoted)
    body = getattr(error, "body", None)
    words = body if isinstance(body, dict) else {}
    return Said(message, _word(words.get("code")), _word(words.get("type")), _word(words.get("param")))


def _bytes(message: str) -> bytes | None:
    """The upstream's error body where litellm shows it as Python's bytes (`b'{...}'`), as it does for streams."""
    if not message.startswith(("b'", 'b"')):
        return None
    try:
        shown = ast.literal_eval(message)
    except (SyntaxError, ValueError):
        return None
    return shown if isinstance(shown, bytes) else None


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
