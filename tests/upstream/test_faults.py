"""Error bodies of every shape become one `UpstreamError` with the right advice."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.faults import MAX_MESSAGE, clean, from_status, in_band, retry_after, said_in

OPENAI = {"error": {"message": "No such thing", "type": "invalid_request_error", "param": "model", "code": "nope"}}
ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
GOOGLE = [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}]
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def test_each_provider_is_quoted_in_its_own_words() -> None:
    openai = said_in(orjson.dumps(OPENAI))
    assert (openai.message, openai.code, openai.param) == ("No such thing", "nope", "model")
    anthropic = said_in(orjson.dumps(ANTHROPIC))
    assert (anthropic.message, anthropic.type) == ("Overloaded", "overloaded_error")
    google = said_in(orjson.dumps(GOOGLE))
    assert (google.message, google.code) == ("Quota", "RESOURCE_EXHAUSTED")
    assert said_in(b'{"detail":"Not Found"}').message == "Not Found"
    assert said_in(HTML).message == "502 Bad Gateway"


@pytest.mark.parametrize(
    ("status", "body", "retryable", "elsewhere"),
    [
        (400, {"error": {"message": "bad field"}}, False, False),
        (422, {"error": {"message": "bad field"}}, False, False),
        (401, {"error": {"message": "who are you"}}, False, True),
        (403, {"error": {"message": "not you"}}, False, True),
        (404, {"error": {"message": "no such model"}}, False, True),
        (408, {}, True, True),
        (413, {}, False, True),
        (429, {}, True, True),
        (429, {"error": {"message": "pay first", "code": "insufficient_quota"}}, False, True),
        (500, {}, True, True),
        (501, {}, False, True),
        (529, ANTHROPIC, True, True),
        (302, {}, False, True),
        (400, {"error": {"message": "no", "code": "content_filter"}}, False, False),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}, False, True),
    ],
)
def test_who_may_try_again_follows_from_whose_fault_it_is(status, body, retryable, elsewhere) -> None:
    error = from_status(status, {}, orjson.dumps(body))
    assert (error.fault, error.status) == ("status", status)
    assert (error.retryable, error.elsewhere) == (retryable, elsewhere)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "too long", "code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 8192 tokens."},
        {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
        {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (2000000) exceeds the maximum"},
        {"type": "exceed_context_size_error", "message": "request (9031 tokens) exceeds the available context size"},
    ],
)
def test_a_prompt_too_long_has_one_code_and_may_fit_elsewhere(error) -> None:
    failure = from_status(400, {}, orjson.dumps({"error": error}))
    assert (failure.code, failure.retryable, failure.elsewhere) == ("context_length_exceeded", False, True)


def test_an_error_inside_a_200_takes_its_status_from_its_code_or_type() -> None:
    assert in_band({"message": "busy", "code": 503}).status == 503
    assert in_band({"message": "busy", "type": "overloaded_error"}).status == 529
    assert in_band({"message": "slow down", "code": "rate_limit_exceeded"}).status == 429
    assert in_band("something broke").status == 500


def test_retry_after_in_all_its_spellings() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after": "9"}) == 9
    assert retry_after({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, now=now) == 30
    assert retry_after({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, now=now) == 0
    assert retry_after({"retry-after": "nan"}) is None
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_no_key_gets_into_a_message() -> None:
    secret = "plain-looking-secret"
    body = orjson.dumps({"error": {"message": f"bad {secret} and sk-proj-abcdefghijklmnop"}})
    message = from_status(401, {}, body, secret=secret).message
    assert secret not in message
    assert "abcdefgh" not in message


@settings(max_examples=60)
@given(st.binary(max_size=3000))
def test_any_body_can_be_read(body: bytes) -> None:
    message = from_status(500, {}, body).message
    assert 0 < len(message) <= MAX_MESSAGE


@settings(max_examples=60)
@given(st.text(max_size=2000))
def test_a_message_is_one_bounded_printable_line(text: str) -> None:
    cleaned = clean(text, None)
    assert len(cleaned) <= MAX_MESSAGE
    assert cleaned.isprintable()
