from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from gateway import config as configuration
from gateway.testing import ENV, Running, ScriptedUpstream

PLUGINS = """
from aiohttp import web
from pydantic import Field
from gateway.api import Event, Guard, Listener, Plugin, RefusedError, Settings, Surface


class Tells(Settings):
    word: str = "none"


class Life(Plugin):
    \"\"\"Tells of its life.\"\"\"
    Settings = Tells

    def __init__(self, host, settings):
        super().__init__(host, settings)
        STORY.append(f"made {settings.word}")

    async def start(self):
        STORY.append(f"started {self.settings.word}")

    async def stop(self):
        STORY.append(f"stopped {self.settings.word}")


class Watch(Life, Guard):
    \"\"\"Refuses what holds its word.

    More is not shown.
    \"\"\"
    async def check(self, request, call):
        if self.settings.word in str(request.body["messages"]):
            raise RefusedError(f"no {self.settings.word}", code="forbidden_word")


class Ears(Life, Listener):
    async def on_event(self, event):
        STORY.append(event.name)


class Deaf(Ears):
    events = ("request.ended",)


class Page(Life, Surface):
    def routes(self):
        return [web.get("/page", self.show)]

    async def show(self, request):
        return web.json_response({"word": self.settings.word, "models": [d.name for d in self.host.deployments]})


STORY = []
"""


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder with one module of plugins, `life_of_tests`."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "life_of_tests.py").write_text(PLUGINS, encoding="utf-8")
    return folder


@pytest.fixture
def reload(tmp_path: Path) -> Callable:
    """Puts another configuration in force in a running gateway, whose ledger stays."""

    async def put(gateway: Running, text: str, env: dict[str, str] = ENV) -> None:
        path = tmp_path / "new.yaml"
        path.write_text(text, encoding="utf-8")
        config = configuration.load(path, env)
        await gateway.gateway.reload(replace(config, ledger_url=gateway.gateway.config.ledger_url))

    return put
