"""Each plugin that the pages show, run in a gateway."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from gateway.testing import Running, ScriptedUpstream, running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?s)```python\n# plugins/(\w+)\.py\n(.*?)```")
PAGES = [ROOT / "README.md", ROOT / "docs/reference/plugins.md"]
MODULES = {name: source for page in PAGES for name, source in BLOCK.findall(page.read_text(encoding="utf-8"))}
[TEST] = re.findall(r"(?s)```python\n(from gateway\.testing.*?)```", PAGES[1].read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    for name, source in MODULES.items():
        (plugins / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    sys.path_importer_cache.pop("plugins", None)  # a relative folder is remembered with the directory of its first use
    yield plugins
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
async def upstream():
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def run(folder: Path, upstream: ScriptedUpstream):
    def start(*plugins: Any) -> AbstractAsyncContextManager[Running]:
        return running(tiers_yaml(upstream.url, plugins=plugins, plugin_path=str(folder)))

    return start


async def ask(gateway: Running, text: str = "hi", **how: Any) -> Any:
    messages = how.pop("messages", [{"role": "user", "content": text}])
    async with AsyncOpenAI(base_url=gateway.url, api_key="any", max_retries=0) as client:
        return await client.chat.completions.create(**{"model": "small", "messages": messages, **how})


async def test_office_hours(run, monkeypatch):
    async with run("office_hours:OfficeHours") as gateway:
        for hour, opened in ((8, True), (17, True), (18, False), (7, False)):
            monkeypatch.setattr(sys.modules["office_hours"], "datetime", Noon(hour))
            if opened:
                await ask(gateway)
            else:
                with pytest.raises(openai.PermissionDeniedError, match="closed"):
                    await ask(gateway)


class Noon:
    """A clock that stands still."""

    def __init__(self, hour: int) -> None:
        self.hour = hour

    def now(self) -> "Noon":
        return self


async def test_no_secrets(run, upstream):
    async with run("no_secrets:NoSecrets") as gateway:
        await ask(gateway)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await ask(gateway, "-----BEGIN PRIVATE KEY-----")
        assert caught.value.code == "private_key"
    assert len(upstream.calls) == 1


async def test_short_lines(run, upstream):
    call = {"id": "c", "type": "function", "function": {"name": "cat", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "x" * 50},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "a" * 50 + "\nshort"},
    ]
    async with run({"short_lines:ShortLines": {"longest": 10}}) as gateway:
        await ask(gateway, messages=messages)
        [record] = await gateway.gateway.ledger.recent()
    sent = upstream.calls[0].body["messages"]
    assert sent[2]["content"] == "a" * 10 + "\nshort"
    assert sent[0] == messages[0]
    assert record["trimmed_by"] == {"short_lines": 10}


async def test_first_lines(run, upstream):
    bash = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}
    call = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "\n".join(f"row {number}" for number in range(1, 301))},
    ]
    async with run("first_lines:FirstLines") as gateway:
        await ask(gateway, messages=messages, tools=[bash])
        *shown, mark = upstream.calls[0].body["messages"][2]["content"].split("\n")
        asked = {"id": mark.split()[1], "lines": "250"}
        upstream.reply(tool_calls=(("recall", asked),))
        await ask(gateway, messages=messages, tools=[bash])
    assert shown[-1] == "row 100"
    assert upstream.calls[2].body["messages"][-1]["content"].endswith("\n250: row 250")


async def test_by_length(run):
    async with run("by_length:ByLength") as gateway:
        await ask(gateway, "x" * 25_000)
        [record] = await gateway.gateway.ledger.recent()
    assert record["complexity"]["score"] == pytest.approx(3.5, abs=0.05)


async def test_cheapest_and_the_pages_own_test(folder, upstream, run):
    assert folder.is_dir()  # the example finds its plugin in ./plugins
    names: dict[str, Any] = {}
    exec(compile(TEST, "plugins.md", "exec"), names)  # noqa: S102  # the page's own words
    await names["test_the_cheapest_answers"]()


async def test_no_excuses(run, upstream):
    upstream.reply(text="I cannot help with that")
    upstream.reply(text="of course")
    async with run("no_excuses:NoExcuses", "gateway_tiers") as gateway:
        answer = await ask(gateway, model="auto")
        assert answer.choices[0].message.content == "of course"
        [record] = await gateway.gateway.ledger.recent()
    assert [(a["tier"], a["result"]) for a in record["attempts"]] == [("base", "rejected"), ("strong", "ok")]


async def test_one_name(run, upstream):
    upstream.reply(text="I am ChatGPT indeed")
    async with run("one_name:OneName") as gateway:
        body = {"model": "small", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        async with aiohttp.ClientSession() as http, http.post(f"{gateway.url}/chat/completions", json=body) as got:
            text = await got.text()
    assert '"Hal "' in text
    assert "ChatGPT" not in text
    assert text.endswith("data: [DONE]\n\n")


async def test_dear_calls(run, upstream, caplog):
    upstream.reply(text="cheap")
    upstream.reply(text="dear", usage=Counts(prompt=1_000_000, completion=1))
    with caplog.at_level(logging.WARNING):
        async with run("dear_calls:DearCalls") as gateway:
            await ask(gateway)
            await ask(gateway)
            await gateway.gateway.settle()
    [message] = [r.getMessage() for r in caplog.records if r.name == "thriftgate.plugin.dear_calls:DearCalls"]
    assert message.endswith("cost $0.1000")


async def test_latest(run):
    async with run("latest:Latest") as gateway:
        await ask(gateway)
        async with aiohttp.ClientSession() as http, http.get(f"{gateway.root}/latest") as got:
            [record] = json.loads(await got.text())
        assert record["asked"] == "small"


def test_every_example_is_run_here():
    here = Path(__file__).read_text(encoding="utf-8")
    for name in MODULES:
        assert f"test_{name}" in here
