"""What each route answers, and that every refusal is OpenAI's error object with the request's id."""

import asyncio
import gzip
import json
import re
import zlib

import pytest

from gateway.testing import running, tiers_yaml

BODY = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}
ID = re.compile(r"req_[0-9a-f]{32}")
POSTS = ("/v1/chat/completions", "/v1/explain")
GETS = (
    "/v1/models",
    "/v1/models/small",
    "/livez",
    "/readyz",
    "/healthz",
    "/health/liveliness",
    "/health/readiness",
)


@pytest.fixture
async def gateway(upstream):
    async with running(tiers_yaml(upstream.url, server={"max_body_mb": 0.01})) as gateway:
        yield gateway


def error_in(body: bytes) -> dict:
    """The error of an answer that is OpenAI's error object and nothing else."""
    answer = json.loads(body)
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["message"]
    return answer["error"]


@pytest.mark.parametrize(
    ("data", "headers", "status", "code"),
    [
        (b"", {}, 400, "invalid_json"),
        (b"{", {}, 400, "invalid_json"),
        (b'"text"', {}, 400, "invalid_type"),
        (b"{}", {}, 400, "missing_required_parameter"),
        (b"[" * 5000, {}, 400, "invalid_json"),
        (b'{"model": "nobody", "messages": [{"role": "user"}]}', {}, 404, "model_not_found"),
        (json.dumps(BODY).encode(), {"x-thriftgate-tier": "huge"}, 400, "invalid_value"),
        (json.dumps(BODY).encode(), {"x-thriftgate-route": "maybe"}, 400, "invalid_value"),
        (b"x" * 10_486, {}, 413, "request_too_large"),
        (b"x", {"content-encoding": "br"}, 415, "unsupported_content_encoding"),
        (b"x", {"content-encoding": "gzip, gzip"}, 415, "unsupported_content_encoding"),
        (b"not gzip", {"content-encoding": "gzip"}, 400, "invalid_content_encoding"),
        (
            zlib.compress(json.dumps(BODY).encode())[:-6],
            {"content-encoding": "deflate"},
            400,
            "invalid_content_encoding",
        ),
        (zlib.compress(b" " * 200_000), {"content-encoding": "deflate"}, 413, "request_too_large"),
        (gzip.compress(json.dumps(BODY).encode()) * 2, {"content-encoding": "gzip"}, 400, "invalid_content_encoding"),
    ],
)
async def test_what_a_body_may_not_be(gateway, upstream, http, data, headers, status, code):  # noqa: PLR0917  # a table
    for path in POSTS:
        async with http.post(gateway.root + path, data=data, headers=headers) as got:
            assert (got.status, error_in(await got.read())["code"]) == (status, code)
            assert ID.fullmatch(got.headers["x-request-id"])
            assert got.content_type == "application/json"
    assert not upstream.calls


async def test_a_body_may_be_as_large_as_the_limit_and_no_larger(gateway, http):
    limit = gateway.gateway.max_body
    body = json.dumps(BODY).encode()
    async with http.post(f"{gateway.url}/explain", data=body + b" " * (limit - len(body))) as got:
        assert got.status == 200
    async with http.post(f"{gateway.url}/explain", data=body + b" " * (limit - len(body) + 1)) as got:
        assert got.status == 413


async def test_a_body_without_a_declared_length_is_bounded_too(gateway, http):
    async def pieces():
        for _ in range(20):
            yield b" " * 1000

    async with http.post(f"{gateway.url}/explain", data=pieces()) as got:
        assert got.status == 413
        assert error_in(await got.read())["code"] == "request_too_large"


@pytest.mark.parametrize("encoding", ["deflate", "Deflate", "gzip", "x-gzip"])
async def test_a_compressed_body_is_read(gateway, http, encoding):
    data = json.dumps(BODY).encode()
    packed = zlib.compress(data) if "eflate" in encoding else gzip.compress(data)
    async with http.post(f"{gateway.url}/explain", data=packed, headers={"content-encoding": encoding}) as got:
        assert got.status == 200


async def test_get_and_head(gateway, http):
    for path in GETS:
        async with http.get(gateway.root + path) as got:
            assert got.status == 200
            length = got.headers["content-length"]
            assert ID.fullmatch(got.headers["x-request-id"])
        async with http.head(gateway.root + path) as got:
            assert (got.status, got.headers["content-length"], await got.read()) == (200, length, b"")


async def test_other_methods_are_a_405(gateway, http):
    wrong = [(method, path) for path in POSTS for method in ("GET", "PUT", "DELETE", "OPTIONS")]
    wrong += [(method, path) for path in GETS for method in ("POST", "DELETE", "OPTIONS")]
    for method, path in wrong:
        async with http.request(method, gateway.root + path) as got:
            assert got.status == 405, (method, path)
            assert error_in(await got.read())["code"] == "method_not_allowed"


async def test_other_paths_are_a_404(gateway, http):
    for path in ("/", "/v1", "/v1/", "/v2/models", "/v1/chat/completions/", "/metrics", "/v1/requests"):
        async with http.get(gateway.root + path) as got:
            assert got.status == 404, path
            assert error_in(await got.read())["code"] == "unknown_url"
            assert ID.fullmatch(got.headers["x-request-id"])


async def test_a_base_url_that_lacks_its_end_is_told(gateway, http):
    async with http.post(f"{gateway.root}/chat/completions", json=BODY) as got:
        assert "/v1/chat/completions" in error_in(await got.read())["message"]
    async with http.post(f"{gateway.root}/elsewhere", json=BODY) as got:
        assert "/v1" not in error_in(await got.read())["message"]


async def test_a_head_error_has_no_body(gateway, http):
    async with http.head(f"{gateway.root}/nothing") as got:
        assert (got.status, await got.read()) == (404, b"")


async def test_every_request_has_an_id_of_its_own_and_they_sort_by_time(gateway, http):
    ids = []
    for _ in range(3):
        async with http.get(f"{gateway.url}/models", headers={"x-request-id": "req_mine"}) as got:
            ids.append(got.headers["x-request-id"])
        await asyncio.sleep(0.002)
    assert ids == sorted(ids)
    assert len(set(ids)) == 3


async def test_models_as_openai_lists_them(upstream, http):
    extra = {
        "models": [
            {"name": "openai/*", "model": "openai/*", "api_key": "${SCRIPTED_KEY}", "api_base": upstream.url},
            {"name": "gone", "model": "openai/gone-1", "api_key": "${UNSET}", "api_base": upstream.url},
            {"name": "team/own", "model": "openai/own-1", "api_key": "${SCRIPTED_KEY}", "api_base": upstream.url},
        ]
    }
    async with running(tiers_yaml(upstream.url, tiers={"base": extra}), wait=False) as gateway:
        async with http.get(f"{gateway.url}/models") as got:
            listed = await got.json()
        assert listed["object"] == "list"
        # A pattern cannot be asked for, and what is inactive serves nobody.
        assert [model["id"] for model in listed["data"]] == ["auto", "weak", "base", "strong", "team/own"]
        for model in listed["data"]:
            assert set(model) == {"id", "object", "created", "owned_by"}
            async with http.get(f"{gateway.url}/models/{model['id']}") as got:
                assert await got.json() == model
        for name, owner in (("gpt-4o", "openai"), ("anthropic/claude-sonnet-4-5", "anthropic"), ("auto", "thriftgate")):
            async with http.get(f"{gateway.url}/models/{name}") as got:
                assert (await got.json())["owned_by"] == owner
        async with http.get(f"{gateway.url}/models/nobody") as got:
            assert got.status == 404
            assert error_in(await got.read())["code"] == "model_not_found"


async def test_no_such_record(gateway, http):
    async with http.get(f"{gateway.url}/requests/req_nobody") as got:
        assert got.status == 404
        assert error_in(await got.read())["code"] == "request_not_found"


async def test_what_was_refused_before_it_became_a_call_is_not_on_record(gateway, http):
    async with http.post(f"{gateway.url}/chat/completions", data=b"{") as got:
        id = got.headers["x-request-id"]
    assert await gateway.gateway.ledger.get(id) is None
    assert await gateway.gateway.ledger.recent() == []


async def test_explaining_leaves_no_trace(gateway, http, upstream):
    async with http.post(f"{gateway.url}/explain", json={**BODY, "stream": True}) as got:
        assert got.status == 200
    assert not upstream.calls
    assert await gateway.gateway.ledger.recent() == []


async def test_a_gateway_is_alive_before_it_is_ready(upstream, http):
    async with running(tiers_yaml(upstream.url)) as gateway:
        for path in ("/livez", "/health/liveliness", "/readyz", "/healthz", "/health/readiness"):
            async with http.get(gateway.root + path) as got:
                assert (got.status, await got.json()) == (200, {"status": "ok"})
        gateway.gateway.draining = True
        for path in ("/readyz", "/healthz", "/health/readiness"):
            async with http.get(gateway.root + path) as got:
                assert (got.status, await got.json()) == (503, {"status": "unavailable", "reason": "draining"})
        for path in ("/livez", "/health/liveliness"):
            async with http.get(gateway.root + path) as got:
                assert got.status == 200


async def test_draining_refuses_new_calls_and_ends_those_in_flight(gateway, http, upstream):
    upstream.reply(chunks=("a", "b", "c"), gap=0.05)
    async with http.post(f"{gateway.url}/chat/completions", json={**BODY, "stream": True}) as stream:
        await stream.content.readany()
        gateway.gateway.draining = True
        for path in POSTS:
            async with http.post(gateway.root + path, json=BODY) as got:
                assert (got.status, error_in(await got.read())["code"]) == (503, "draining")
                assert int(got.headers["retry-after"]) >= 1
        async with http.get(f"{gateway.url}/models") as got:
            assert got.status == 200  # looking is not work
        assert (await stream.read()).endswith(b"data: [DONE]\n\n")
    assert len(upstream.calls) == 1


async def test_a_fault_inside_shows_nothing_of_the_inside(upstream, http, tmp_path, monkeypatch, caplog):
    (tmp_path / "server_test_surface.py").write_text(
        "from aiohttp import web\n"
        "from gateway.api import Plugin, Surface\n"
        "class Breaks(Plugin, Surface):\n"
        "    def routes(self):\n"
        "        return [web.get('/breaks', self.show), web.get('/teapot', self.tea)]\n"
        "    async def show(self, request):\n"
        "        raise ValueError('the secret is 42')\n"
        "    async def tea(self, request):\n"
        "        raise web.HTTPForbidden(reason='no tea')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    text = tiers_yaml(upstream.url, plugins=["server_test_surface:Breaks"])
    async with running(text, wait=False) as gateway:
        async with http.get(f"{gateway.root}/breaks") as got:
            body, id = await got.read(), got.headers["x-request-id"]
            assert (got.status, error_in(body)["code"]) == (500, "internal_error")
        assert b"42" not in body
        assert any(id in record.getMessage() for record in caplog.records)
        async with http.get(f"{gateway.root}/teapot") as got:
            assert (got.status, error_in(await got.read())["message"]) == (403, "no tea")
