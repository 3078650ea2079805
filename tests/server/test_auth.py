"""Who is let in: unit tests of the comparison, and odd bytes as they really arrive."""

import asyncio
import hashlib

import pytest

from gateway.api import Caller, RefusedError, Unauthorized
from gateway.config import ConfigError
from gateway.server.auth import Auth, KnownKey
from gateway.testing import running, tiers_yaml

ANN, BOSS = Caller("ann", "team"), Caller("boss")
ANONYMOUS = Caller("anonymous")


def known(key: str, caller: Caller, *, admin: bool = False) -> KnownKey:
    return KnownKey(hashlib.sha256(key.encode()).hexdigest(), caller, admin)


@pytest.fixture
def auth() -> Auth:
    return Auth([known("sk-ann", ANN), known("sk-boss", BOSS, admin=True)], needs_key=True, anonymous=ANONYMOUS)


class Headers(dict[str, str]):
    """As aiohttp's: names in any case."""

    def __init__(self, **headers: str) -> None:
        super().__init__({name.lower().replace("_", "-"): value for name, value in headers.items()})

    def get(self, name: str, default: str = "") -> str:
        return super().get(name.lower(), default)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sk-ann"},
        {"authorization": "bearer sk-ann"},
        {"authorization": "BEARER   sk-ann  "},
        {"x_api_key": "sk-ann"},
        {"x_api_key": " sk-ann "},
        {"authorization": "Basic abc", "x_api_key": "sk-ann"},
        {"authorization": "Bearer ", "x_api_key": "sk-ann"},
    ],
)
def test_a_key_is_found_where_clients_put_it(auth, headers):
    assert auth.identify(Headers(**headers)) == ANN


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "sk-ann"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  "},
        {"authorization": "Basic sk-ann"},
        {"x_api_key": " "},
    ],
)
def test_no_key_is_told_how_to_send_one(auth, headers):
    with pytest.raises(Unauthorized, match="Authorization: Bearer"):
        auth.identify(Headers(**headers))


@pytest.mark.parametrize("key", ["sk-ANN", "sk-ann2", "sk-an", "sk ann", "\udcff\udcfe", "a" * 8000, "ключ"])
def test_another_key_is_unknown_and_not_repeated(auth, key):
    with pytest.raises(Unauthorized) as caught:
        auth.identify(Headers(authorization=f"Bearer {key}"))
    assert key not in caught.value.message


def test_a_wrong_bearer_key_is_not_made_good_by_another_header(auth):
    with pytest.raises(Unauthorized):
        auth.identify(Headers(authorization="Bearer sk-wrong", x_api_key="sk-ann"))


def test_admins(auth):
    auth.require_admin(Headers(x_api_key="sk-boss"))
    assert auth.is_admin(Headers(x_api_key="sk-boss"))
    assert not auth.is_admin(Headers(x_api_key="sk-ann"))
    with pytest.raises(RefusedError) as caught:
        auth.require_admin(Headers(x_api_key="sk-ann"))
    assert (caught.value.status, caught.value.code) == (403, "admin_key_required")
    with pytest.raises(Unauthorized):
        auth.require_admin(Headers())


def test_an_open_gateway_asks_nobody():
    auth = Auth([], needs_key=False, anonymous=ANONYMOUS)
    assert auth.identify(Headers(authorization="Bearer whatever")) == ANONYMOUS
    auth.require_admin(Headers())


def test_a_gateway_whose_keys_are_all_inactive_lets_nobody_in():
    auth = Auth([], needs_key=True, anonymous=ANONYMOUS)
    with pytest.raises(Unauthorized):
        auth.identify(Headers(authorization="Bearer x"))


async def test_an_inactive_key_still_closes_the_gateway(upstream, http):
    keys = [{"name": "ann", "key": "${ANN}"}, {"name": "bob", "key": "${BOB}"}]
    text = tiers_yaml(upstream.url, keys=keys)
    async with running(text, env={"SCRIPTED_KEY": "k", "ANN": "sk-ann"}, wait=False) as gateway:
        for headers, status in (({}, 401), ({"x-api-key": "${BOB}"}, 401), ({"x-api-key": "sk-ann"}, 200)):
            async with http.get(f"{gateway.url}/models", headers=headers) as got:
                assert got.status == status
    with pytest.raises(ConfigError, match="ANN"):
        async with running(text, env={"SCRIPTED_KEY": "k"}, wait=False):
            pass


async def test_a_key_may_stand_as_its_digest(upstream, http):
    digest = hashlib.sha256(b"sk-ann").hexdigest()
    text = tiers_yaml(upstream.url, keys=[{"name": "ann", "key": f"sha256:{digest}"}])
    async with running(text, wait=False) as gateway:
        async with http.get(f"{gateway.url}/models", headers={"authorization": "Bearer sk-ann"}) as got:
            assert got.status == 200
        async with http.get(f"{gateway.url}/models", headers={"authorization": f"Bearer {digest}"}) as got:
            assert got.status == 401


@pytest.mark.parametrize("key", [b"\xff\xfe\xfd", "schlüssel".encode(), b"\xed\xa0\x80", b"x" * 4000])
async def test_odd_bytes_in_a_key_are_a_401_and_no_fault(upstream, key):
    digest = hashlib.sha256("schlüssel".encode()).hexdigest()
    async with running(tiers_yaml(upstream.url, keys=[{"name": "ann", "key": f"sha256:{digest}"}])) as gateway:
        host, port = gateway.root.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        writer.write(head + key + b"\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    status = int(answer.split(b" ", 2)[1])
    assert status == (200 if key == "schlüssel".encode() else 401)
    if status == 401:
        assert b'"code":"invalid_api_key"' in answer
