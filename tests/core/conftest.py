import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api import Json
from gateway.testing import Running, ScriptedUpstream

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


class Asking:
    """Asks a gateway and looks up what it put on record."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def __call__(self, gateway: Running, **body: Any) -> tuple[int, str, Json]:
        """Status, text and the ledger's record of one chat completion; `headers` go into the request's."""
        headers = body.pop("headers", {})
        body = {"model": "auto", "messages": HELLO, **body}
        async with self.http.post(f"{gateway.url}/chat/completions", json=body, headers=headers) as got:
            text, id = await got.text(), got.headers["x-request-id"]
        return got.status, text, await gateway.gateway.ledger.get(id) or {}


@pytest.fixture
async def ask() -> AsyncIterator[Asking]:
    async with aiohttp.ClientSession() as http:
        yield Asking(http)


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens: the port is taken and refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


@pytest.fixture
def ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plugin that tries all active deployments in the file's order."""
    (tmp_path / "ladder_of_tests.py").write_text(
        "from gateway.api import Plugin, RoutePlan, Router\n"
        "class Ladder(Plugin, Router):\n"
        "    def route(self, request, complexity, view):\n"
        "        return RoutePlan(view.deployments, view.deployments[0].tier, 'in order')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "ladder_of_tests:Ladder"
