"""The errors a plugin may raise or meet.

    ThriftgateError
    ├── RefusedError        the gateway says no; becomes an error object in the caller's dialect
    │   ├── BadRequest          400, 404, 413, 415, 422: the caller has to change the request
    │   ├── Unauthorized        401
    │   ├── BudgetExhausted     429 `insufficient_quota`, not to be retried
    │   └── Unavailable         503 with Retry-After (starting, draining, nothing can serve)
    └── UpstreamError       an upstream call failed; carries what the upstream said

A class exists here only where somebody catches it or the caller sees another code.
"""

from __future__ import annotations

from typing import Literal


class ThriftgateError(Exception):
    """Any error this product raises on purpose."""


class RefusedError(ThriftgateError):
    """The gateway refuses a request. `status`, `code`, `type` and `param` are what OpenAI's error object shows."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 403,
        code: str = "refused",
        type: str = "invalid_request_error",
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.retry_after = retry_after
        self.should_retry = should_retry


class BadRequest(RefusedError):
    """The caller has to change the request: 400 unless told otherwise."""

    def __init__(
        self, message: str, *, status: int = 400, code: str = "invalid_request", param: str | None = None
    ) -> None:
        super().__init__(message, status=status, code=code, param=param)


class Unauthorized(RefusedError):
    """No key, or one that is not configured: 401."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=401, code="invalid_api_key")


class BudgetExhausted(RefusedError):
    """The budget does not cover the cheapest way to answer: 429, and the SDKs are told not to retry."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=429, code="insufficient_quota", type="insufficient_quota", should_retry=False)


class Unavailable(RefusedError):
    """The gateway cannot serve now: 503 with `retry_after` in seconds."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "service_unavailable",
        retry_after: float | None = 1.0,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(
            message, status=503, code=code, type="server_error", retry_after=retry_after, should_retry=should_retry
        )


UpstreamFault = Literal[
    "request",  # cannot be put into the upstream's words: nothing was sent
    "connect",  # never reached: nothing was sent
    "timeout",
    "reset",  # broke off, before or in the answer
    "protocol",  # answered something that is not an answer
    "status",  # answered with an error status
]


class UpstreamError(ThriftgateError):
    """An upstream call failed.

    `status` is the upstream's HTTP status where it gave one; `code`, `type` and `message` are its own words;
    `retry_after` is in seconds. `retryable` says whether the same call may succeed later, `elsewhere` whether another
    deployment may succeed where this one did not. `deployment` names the one that failed; `Forward` fills it in.
    """

    def __init__(
        self,
        message: str,
        *,
        fault: UpstreamFault,
        status: int | None = None,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        retryable: bool,
        elsewhere: bool,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fault = fault
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.retry_after = retry_after
        self.retryable = retryable
        self.elsewhere = elsewhere
        self.deployment: str | None = None
