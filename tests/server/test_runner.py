"""What arrives before there is a request, byte by byte on a socket."""

import asyncio
import json

import pytest

from gateway.testing import Running, running, tiers_yaml

BODY = b'{"model": "small", "messages": [{"role": "user", "content": "hi"}]}'
KEY = "sk-caller-0123456789"
LIMIT = 10_485  # bytes


@pytest.fixture
async def gateway(upstream):
    async with running(tiers_yaml(upstream.url, server={"max_body_mb": 0.01})) as gateway:
        yield gateway


async def said(gateway: Running, sent: bytes) -> tuple[bytes, bytes]:
    """Head and body of all that comes back until the gateway closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.root.rsplit(":", 1)[1]))
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def posted(*headers: str, body: bytes = BODY, length: int | None = None) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: x", "connection: close", *headers]
    lines.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        posted("transfer-encoding: chunked"),
        posted(f"authorization: Bearer {KEY}\0"),
        posted(f"authorization: Bearer {KEY}{'x' * 20_000}"),
        posted(*(f"x-{number}: {KEY}" for number in range(1000))),
        posted(f"x-{KEY}\x7f: 1"),
    ],
)
async def test_what_is_no_http_gets_an_error_object_and_is_quoted_nowhere(gateway, upstream, caplog, sent):
    with caplog.at_level("DEBUG"):
        head, body = await said(gateway, sent)
    assert head.startswith(b"HTTP/1.0 400 ")
    assert b"application/json" in head
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert KEY not in body.decode() + caplog.text
    assert "Traceback" not in caplog.text
    assert [record.name for record in caplog.records if "no HTTP" in record.message] == ["thriftgate.server"]
    assert not upstream.calls


async def test_a_client_that_asks_first_is_told_to_go_on(gateway, upstream):
    head, body = await said(gateway, posted("expect: 100-Continue"))
    assert head == b"HTTP/1.1 100 Continue"
    assert body.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(upstream.calls) == 1


async def test_a_body_too_large_is_refused_before_it_is_sent(gateway):
    head, _ = await said(gateway, posted("expect: 100-continue", body=b"", length=LIMIT + 1000))
    assert head.startswith(b"HTTP/1.1 413 ")


async def test_other_expectations_count_for_nothing(gateway):
    head, _ = await said(gateway, posted("expect: miracles"))
    assert head.startswith(b"HTTP/1.1 200 ")
