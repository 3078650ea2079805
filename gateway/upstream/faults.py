"""What went wrong upstream, read from error bodies of every shape into one `UpstreamError`.

Who may try again follows from whose fault it is:

    the caller's request      400, 413, 422, content filter     not again; elsewhere only what is too large for here
    our key or model name     401, 402, 403, 404, 405           not again, but elsewhere
    the upstream's state      408, 409, 425, 429, 5xx           again, and elsewhere
    the way there             connect, timeout, reset           again, and elsewhere
    not an answer             protocol                          again, and elsewhere
    not to be said there      request                           not again, but elsewhere
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from gateway.api import UpstreamError, UpstreamFault
from gateway.wire import FAULT_CODES

MAX_MESSAGE = 600
MAX_RETRY_AFTER = 24 * 3600.0

_NOT_IMPLEMENTED = frozenset({501, 505})
_PASSING = frozenset({408, 409, 425, 429})
_OUR_CONFIGURATION = frozenset({401, 402, 403, 404, 405, 407, 410, 501, 505})
_EXHAUSTED = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance"})
_MISCONFIGURED = frozenset({"model_not_found", "model_decommissioned", "invalid_api_key", "deployment_not_found"})
_CONTENT_FILTER = frozenset({"content_filter", "content_policy_violation", "responsible_ai_policy_violation"})
_TOO_LONG = re.compile(
    r"context[ _]length|context[ _]window|maximum context|too many (?:input )?tokens|prompt is too long"
    r"|input (?:is|was) too long|exceeds? the (?:maximum|available) (?:number of tokens|context)"
    r"|exceed_context_size|input token count|reduce the length of the (?:messages|prompt)",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(r"api[ _]?key not valid|invalid api[ _]?key|incorrect api key", re.IGNORECASE)
_KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|xai|key|fw|hf|tgp|AIza)[-_]?[A-Za-z0-9][\w*.\-]{10,}")


@dataclass(frozen=True, slots=True)
class Said:
    """An upstream's own words on an error, whatever the shape they came in."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None


def from_status(status: int, headers: Mapping[str, str], body: bytes, *, secret: str | None = None) -> UpstreamError:
    """The error for an answer with an error status. `secret` is blotted out of the message."""
    said = said_in(body)
    return from_words(status, said, retry_after=retry_after(headers), secret=secret)


def from_words(
    status: int, said: Said, *, retry_after: float | None = None, secret: str | None = None
) -> UpstreamError:
    """The error for what an upstream said along with a status (its own, or the one an error event stands for)."""
    code = _code(status, said)
    filtered = code == "content_filter"
    exhausted = code in _EXHAUSTED
    ours = status in _OUR_CONFIGURATION or status < 400 or code in _MISCONFIGURED or bool(_BAD_KEY.search(said.message))
    passing = status in _PASSING or (status >= 500 and status not in _NOT_IMPLEMENTED)
    too_large = code == "context_length_exceeded" or status == 413
    return UpstreamError(
        clean(said.message, secret) or f"the upstream answered {status} without saying why",
        fault="status",
        status=status,
        code=code,
        type=said.type,
        param=said.param,
        retry_after=retry_after,
        retryable=passing and not (exhausted or ours or filtered or too_large),
        elsewhere=not filtered and (passing or ours or exhausted or too_large),
    )


def _code(status: int, said: Said) -> str | None:
    words = {said.code, said.type}
    if words & _CONTENT_FILTER:
        return "content_filter"
    if "context_length_exceeded" in words or (status in {400, 413, 422, 500} and _TOO_LONG.search(said.message)):
        return "context_length_exceeded"
    if status == 400 and _BAD_KEY.search(said.message):
        return "invalid_api_key"
    return said.code


def broken(fault: UpstreamFault, message: str, *, code: str | None = None, retryable: bool = True) -> UpstreamError:
    """The error for a call that ended without an error status: no connection, no time left, no sense."""
    return UpstreamError(message, fault=fault, code=code or FAULT_CODES[fault], retryable=retryable, elsewhere=True)


def in_band(error: object, *, secret: str | None = None) -> UpstreamError:
    """The error for an `error` object that came with a 200 or in the middle of a stream. Its `code` may be an HTTP
    status (OpenRouter, vLLM, Google); without one it counts as a 500 unless its type says otherwise."""
    said = _said_by(error)
    status = _status_of(error, said)
    return from_words(status, said, secret=secret)


_STATUS_BY_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "timeout_error": 504,
    "billing_error": 402,
    "RESOURCE_EXHAUSTED": 429,
    "INVALID_ARGUMENT": 400,
    "UNAVAILABLE": 503,
    "content_filter": 400,
    "context_length_exceeded": 400,
}


def _status_of(error: object, said: Said) -> int:
    if isinstance(error, dict):
        for name in ("code", "status", "status_code"):
            value = error.get(name)
            number = int(value) if isinstance(value, str) and value.isdigit() else value
            if isinstance(number, int) and 400 <= number < 600:
                return number
    return _STATUS_BY_TYPE.get(said.code or "") or _STATUS_BY_TYPE.get(said.type or "") or 500


def said_in(body: bytes) -> Said:
    """An error body in OpenAI's, Anthropic's or Google's shape, a bare `message` or `detail`, HTML, or nothing."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Said(message=_plain(body))
    if isinstance(answer, list) and answer:  # Google wraps the errors of a stream in a list
        answer = answer[0]
    if not isinstance(answer, dict):
        return Said(message=_plain(body))
    return _said_by(answer.get("error") or answer)


def _said_by(error: object) -> Said:
    if not isinstance(error, dict):
        return Said(message=_text(error) or "")
    message = next((text for name in ("message", "detail", "msg", "error") if (text := _text(error.get(name)))), "")
    code = error.get("code")
    status = error.get("status")
    return Said(
        message=message,
        # Google's `code` repeats the HTTP status and its `status` is the word; others have words in `code`.
        code=_word(code) or _word(status),
        type=_word(error.get("type")),
        param=_word(error.get("param")),
    )


def _word(value: object) -> str | None:
    return value[:100] if isinstance(value, str) and value and not value.isdigit() else None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list) and value:
        return orjson.dumps(value).decode()
    return None


def _plain(body: bytes) -> str:
    text = body[: 8 * MAX_MESSAGE].decode("utf-8", "replace")
    if "<" in text:
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else re.sub(r"<[^>]*>", " ", text)
    return " ".join(text.split())


def clean(message: str, secret: str | None) -> str:
    """A message fit to be shown: no key of ours, nothing that looks like a key, no control characters, bounded."""
    if secret:
        message = message.replace(secret, "[key]")
    message = _KEY_LIKE.sub("[key]", message)
    message = "".join(char if char.isprintable() else " " for char in message).strip()
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or an HTTP date); at most a day."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_RETRY_AFTER)
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is None:
        seconds = _seconds_until(value, now or datetime.now(UTC))
    return None if seconds is None else min(seconds, MAX_RETRY_AFTER)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
