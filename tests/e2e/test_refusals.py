"""What the gateway itself refuses: always OpenAI's error object, and nobody is called."""

import gzip
import json

import aiohttp
import pytest
from multidict import CIMultiDict

from gateway.testing import running, tiers_yaml

BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


async def post(url: str, **how) -> tuple[int, dict, CIMultiDict[str]]:
    async with aiohttp.ClientSession() as http, http.post(f"{url}/chat/completions", **how) as got:
        return got.status, await got.json(), got.headers.copy()


@pytest.mark.parametrize(
    ("data", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b"\xff\xfe", 400, None),
        (b'{"model": "auto"}', 400, "messages"),
        (b'{"model": "auto", "messages": []}', 400, "messages"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', 400, "model"),
        (b'{"model": "nobody", "messages": [{"role": "user", "content": "x"}]}', 404, "model"),
    ],
)
async def test_a_bad_body(gateway, upstream, data, status, param):
    got, body, headers = await post(gateway.url, data=data)
    assert got == status
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["param"] == param
    assert headers["x-request-id"].startswith("req_")
    assert not upstream.calls


async def test_a_body_too_large(upstream):
    async with running(tiers_yaml(upstream.url, server={"max_body_mb": 0.01})) as gateway:
        big = {**BODY, "messages": [{"role": "user", "content": "x" * 20_000}]}
        assert (await post(gateway.url, json=big))[0] == 413
        bomb = gzip.compress(json.dumps({**BODY, "padding": "x" * 5_000_000}).encode())
        assert len(bomb) < 10_000
        status, body, _ = await post(gateway.url, data=bomb, headers={"content-encoding": "gzip"})
        assert status == 413
        assert body["error"]["code"] == "request_too_large"
        fine = gzip.compress(json.dumps(BODY).encode())
        assert (await post(gateway.url, data=fine, headers={"content-encoding": "gzip"}))[0] == 200
        status, body, _ = await post(gateway.url, data=b"not gzip", headers={"content-encoding": "gzip"})
        assert status == 400
        assert (await post(gateway.url, data=b"x", headers={"content-encoding": "br"}))[0] == 415


async def test_unknown_routes_and_methods(gateway):
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{gateway.url}/nothing") as got:
            assert got.status == 404
            assert (await got.json())["error"]["code"] == "unknown_url"
        async with http.get(f"{gateway.url}/chat/completions") as got:
            assert got.status == 405
            assert (await got.json())["error"]["code"] == "method_not_allowed"


KEYS = {
    "keys": [{"name": "ann", "key": "${ANN}"}, {"name": "bob", "key": "${BOB}"}],
    "server": {"master_key": "${MASTER}"},
}
KEY_ENV = {"SCRIPTED_KEY": "sk-scripted", "ANN": "sk-ann", "BOB": "sk-bob", "MASTER": "sk-master"}


async def test_keys_are_required_as_soon_as_one_is_configured(upstream):
    async with running(tiers_yaml(upstream.url, plugins=["gateway_prometheus"], **KEYS), env=KEY_ENV) as gateway:

        async def ask(key: str | None) -> tuple[int, dict, CIMultiDict[str]]:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            return await post(gateway.url, json=BODY, headers=headers)

        status, body, _ = await ask(None)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        assert (await ask("sk-wrong"))[0] == 401
        assert not upstream.calls
        status, _, headers = await ask("sk-ann")
        assert status == 200
        assert "sk-ann" not in json.dumps(await gateway.gateway.ledger.get(headers["x-request-id"]))

        async with aiohttp.ClientSession() as http:

            async def get(path: str, key: str | None) -> int:
                sent = {"Authorization": f"Bearer {key}"} if key else {}
                async with http.get(f"{gateway.root}{path}", headers=sent) as got:
                    return got.status

            own = f"/v1/requests/{headers['x-request-id']}"
            assert await get(own, "sk-ann") == 200
            assert await get(own, "sk-bob") == 404
            assert await get(own, "sk-master") == 200
            assert await get("/metrics", None) == 401
            assert await get("/metrics", "sk-ann") == 403
            assert await get("/metrics", "sk-master") == 200
            assert await get("/v1/models", None) == 401
            assert await get("/livez", None) == 200
            assert await get("/readyz", None) == 200


async def test_a_budget_at_its_end_is_refused_and_the_sdk_is_told_not_to_retry(upstream):
    budgets = {"default": {"limit_usd": 0.000001, "period": "total"}}
    async with running(tiers_yaml(upstream.url, budgets=budgets)) as gateway:
        status, body, headers = await post(gateway.url, json=BODY)
        assert status == 429
        assert body["error"]["code"] == "insufficient_quota"
        assert headers["x-should-retry"] == "false"
        assert not upstream.calls
        record = await gateway.gateway.ledger.get(headers["x-request-id"])
        assert record["outcome"]["kind"] == "refused"
