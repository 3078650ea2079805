"""Errors in OpenAI's shape: status, body and the headers that its SDKs obey."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from gateway.api import Json, RefusedError, UpstreamError, UpstreamFault

_CONTENT_FILTER: Final = frozenset({"content_filter", "content_policy_violation"})
_WRONG_KEY: Final = frozenset({"invalid_api_key"})
_WRONG_MODEL: Final = frozenset({"model_not_found", "model_decommissioned", "deployment_not_found"})
_FOR_THE_CALLER: Final = frozenset({400, 408, 409, 413, 415, 422, 425, 429})
FAULT_CODES: Final[Mapping[UpstreamFault, str]] = {
    "request": "unsupported",
    "connect": "upstream_unreachable",
    "timeout": "upstream_timeout",
    "reset": "upstream_reset",
    "protocol": "upstream_protocol",
    "status": "upstream_error",
}
"""The code of an upstream's failure that brought none of its own."""
_FAULT_STATUS: Final[Mapping[UpstreamFault, int]] = {"request": 400, "timeout": 504}
_LONGEST_MESSAGE = 4000


def error_body(error: BaseException) -> tuple[int, Json, dict[str, str]]:
    """The status, the body and the headers that tell a caller of `error`.

    An error that is neither ours nor an upstream's becomes a plain 500 that shows nothing of the inside.
    """
    if isinstance(error, RefusedError):
        body = error_object(error.message, type=error.type, param=error.param, code=error.code)
        return error.status, body, _retry_headers(error.retry_after, error.should_retry)
    if isinstance(error, UpstreamError):
        return _upstream(error)
    message = "The gateway failed on this request. The error is in its log under the request's id."
    return 500, error_object(message, type="server_error", code="internal_error"), {}


def upstream_code(error: UpstreamError) -> str:
    """What went wrong upstream, in one word: the upstream's own, or that of the fault."""
    return error.code or FAULT_CODES[error.fault]


def error_object(message: str, *, type: str, param: str | None = None, code: str | None = None) -> Json:
    """OpenAI's error object, with the `error` key around it."""
    return {"error": {"message": message[:_LONGEST_MESSAGE], "type": type, "param": param, "code": code}}


def _upstream(error: UpstreamError) -> tuple[int, Json, dict[str, str]]:
    where = f"deployment {error.deployment!r}" if error.deployment else "the deployment"
    status, code = _status_and_code(error)
    kind, message = error.type or "upstream_error", error.message
    if code == "upstream_authentication":
        # The upstream's own words may quote our key, and "invalid API key" would send the caller looking at its own.
        kind, message = "upstream_error", f"The upstream refused the gateway's credentials for {where}."
    elif code == "upstream_payment_required":
        kind, message = "upstream_error", f"The upstream account behind {where} has no credit left."
    elif code == "upstream_model_not_found":
        kind, message = "upstream_error", f"The upstream does not know the model of {where}: {error.message}"
    elif error.fault == "request":
        kind, message = "invalid_request_error", f"The request cannot be put to {where}: {error.message}"
    elif error.fault != "status" and error.deployment:
        message = f"No answer from {where}: {error.message}"
    headers = _retry_headers(error.retry_after, None if error.retryable else False)
    return status, error_object(message, type=kind, param=error.param, code=code), headers


def _status_and_code(error: UpstreamError) -> tuple[int, str | None]:
    """What is wrong with the gateway's own key or model name is a 502: the caller's are fine."""
    if error.fault != "status":
        return _FAULT_STATUS.get(error.fault, 502), upstream_code(error)
    status, own = error.status or 0, _own_fault(error)
    if own is not None:
        return 502, own
    if error.code in _CONTENT_FILTER:
        return status if status in _FOR_THE_CALLER else 400, error.code
    if status in _FOR_THE_CALLER or 500 <= status <= 599:
        return status, error.code
    return 502, error.code or "upstream_error"


def _own_fault(error: UpstreamError) -> str | None:
    if error.code in _CONTENT_FILTER:  # some say it with 403
        return None
    if error.status in (401, 403, 407) or error.code in _WRONG_KEY:
        return "upstream_authentication"
    if error.status in (404, 410) or error.code in _WRONG_MODEL:
        return "upstream_model_not_found"
    return "upstream_payment_required" if error.status == 402 else None


def _retry_headers(retry_after: float | None, should_retry: bool | None) -> dict[str, str]:
    """`retry_after` in seconds. The SDKs read the milliseconds first; `retry-after` itself knows whole seconds only."""
    headers: dict[str, str] = {}
    if retry_after is not None and math.isfinite(retry_after):
        seconds = max(0.0, retry_after)
        headers["retry-after"] = str(math.ceil(seconds))
        headers["retry-after-ms"] = str(math.ceil(seconds * 1000))
    if should_retry is not None:
        headers["x-should-retry"] = "true" if should_retry else "false"
    return headers
