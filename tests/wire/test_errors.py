"""Errors in the shape OpenAI's SDKs read."""

import json

import pytest

from gateway.api import BadRequest, BudgetExhausted, RefusedError, Unauthorized, Unavailable, UpstreamError
from gateway.wire.errors import error_body


def upstream(fault="status", status=None, *, retryable=False, **told):
    message = told.pop("message", "upstream words sk-secret")
    return UpstreamError(message, fault=fault, status=status, retryable=retryable, elsewhere=True, **told)


@pytest.mark.parametrize(
    ("error", "status", "type", "code", "headers"),
    [
        (BadRequest("no", param="model"), 400, "invalid_request_error", "invalid_request", {}),
        (BadRequest("no", status=404, code="model_not_found"), 404, "invalid_request_error", "model_not_found", {}),
        (Unauthorized("no"), 401, "invalid_request_error", "invalid_api_key", {}),
        (BudgetExhausted("no"), 429, "insufficient_quota", "insufficient_quota", {"x-should-retry": "false"}),
        (
            Unavailable("no", retry_after=0.25),
            503,
            "server_error",
            "service_unavailable",
            {"retry-after": "1", "retry-after-ms": "250"},
        ),
        (RefusedError("no", should_retry=True), 403, "invalid_request_error", "refused", {"x-should-retry": "true"}),
        (
            RefusedError("no", retry_after=-3.0),
            403,
            "invalid_request_error",
            "refused",
            {"retry-after": "0", "retry-after-ms": "0"},
        ),
        (RefusedError("no", retry_after=float("inf")), 403, "invalid_request_error", "refused", {}),
    ],
)
def test_refusals(error, status, type, code, headers):
    body = {"error": {"message": "no", "type": type, "param": error.param, "code": code}}
    assert error_body(error) == (status, body, headers)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (upstream(status=401, code="invalid_api_key"), 502, "upstream_authentication"),
        (upstream(status=403), 502, "upstream_authentication"),
        (upstream(status=402), 502, "upstream_payment_required"),
        (upstream(status=404, code="model_not_found"), 502, "upstream_model_not_found"),
        (upstream(status=429, code="rate_limit_exceeded"), 429, "rate_limit_exceeded"),
        (upstream(status=400, code="context_length_exceeded"), 400, "context_length_exceeded"),
        (upstream(status=400, code="content_filter"), 400, "content_filter"),
        (upstream(status=403, code="content_policy_violation"), 400, "content_policy_violation"),
        (upstream(status=422), 422, None),
        (upstream(status=500), 500, None),
        (upstream(status=529), 529, None),
        (upstream(status=302), 502, "upstream_error"),
        (upstream(status=405), 502, "upstream_error"),
        (upstream(), 502, "upstream_error"),
        (upstream(status=400, code="invalid_api_key"), 502, "upstream_authentication"),
        (upstream(status=400, code="model_decommissioned"), 502, "upstream_model_not_found"),
        (upstream("timeout", code="deadline_exceeded"), 504, "deadline_exceeded"),
        (upstream("connect"), 502, "upstream_unreachable"),
        (upstream("reset"), 502, "upstream_reset"),
        (upstream("protocol", status=200), 502, "upstream_protocol"),
        (upstream("timeout", status=408), 504, "upstream_timeout"),
    ],
)
def test_upstream_errors(error, status, code):
    error.deployment = "base-1"
    found, body, _ = error_body(error)
    assert (found, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("status", [401, 403])
def test_our_credentials_are_neither_shown_nor_taken_for_the_callers(status):
    error = upstream(status=status, code="invalid_api_key", type="invalid_request_error")
    error.deployment = "base-1"
    _, body, _ = error_body(error)
    assert "base-1" in body["error"]["message"]
    assert "sk-secret" not in json.dumps(body)
    assert body["error"]["type"] == "upstream_error"


def test_an_upstreams_own_words_are_kept_where_the_caller_can_act_on_them():
    error = upstream(status=400, message="too long", code="context_length_exceeded", type="t", param="messages")
    _, body, headers = error_body(error)
    kept = {"message": "too long", "type": "t", "param": "messages", "code": "context_length_exceeded"}
    assert body == {"error": kept}
    assert headers == {"x-should-retry": "false"}


def test_an_upstreams_advice_on_retries_is_passed_on():
    _, _, headers = error_body(upstream(status=429, retryable=True, retry_after=1.2))
    assert headers == {"retry-after": "2", "retry-after-ms": "1200"}


def test_an_internal_error_shows_nothing_of_the_inside():
    status, body, headers = error_body(KeyError("/etc/secret"))
    assert (status, body["error"]["type"], body["error"]["code"], headers) == (
        500,
        "server_error",
        "internal_error",
        {},
    )
    assert "secret" not in json.dumps(body)


def test_a_page_of_html_is_cut():
    _, body, _ = error_body(upstream(status=500, message="x" * 100_000))
    assert len(body["error"]["message"]) < 5000
