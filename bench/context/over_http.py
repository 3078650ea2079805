"""The gateway as a process of its own, measured by what arrives at the upstream behind it.

So all counts that a gateway adds on the way: the tool by which the model can recall, and marks for a provider's cache.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from bench.context.anthropic import as_chat
from bench.context.billing import SMALLEST, STEP, AtBreakpoints, ByItself, Cache
from bench.context.model import recall_for, texts_by_id
from bench.context.optimizers import Level, Sent
from bench.context.prompt import Prompt, prompt_of
from bench.context.traces import Json
from gateway.api import RECALL
from gateway.testing import ENV, ScriptedUpstream, tiers_yaml
from gateway.upstream.scripted_dialects import Counts, Reply

MODEL = "large"
READY_SECONDS = 60.0
TTL = 300.0  # seconds, of which none pass here
ANSWER = 150  # tokens that an answer is said to have
NO_HINTS: Mapping[str, str] = {}
AS_IT_IS = {"x-thriftgate-optimize": "off", "x-thriftgate-cache": "off"}


class OverHttp:
    """A gateway with the plugin at a level, and its upstream; both live inside `with`.

    The upstream plays the model: where it needs for its answer what was left out, it recalls that first. It plays the
    provider, too: it reports the tokens of each prompt and what of it was cached, from which gateways learn. `more`
    counts the calls that reached it beyond one for each request. `anthropic`: it speaks Anthropic's wire, and each
    request is sent a second time to be left as it is, since that wire words it otherwise.
    """

    def __init__(self, level: Level, *, anthropic: bool = False) -> None:
        self._level: Level = level
        self._anthropic = anthropic
        self._loop = asyncio.new_event_loop()
        self._upstream = ScriptedUpstream(self._answer)
        self._wanted: frozenset[str] = frozenset()
        self._texts: Mapping[str, str] = {}
        self._session = ""
        self._caches: dict[str, Cache] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None
        self._url = ""
        self.more = 0

    def __enter__(self) -> Self:
        self._loop.run_until_complete(self._upstream.start())
        try:
            self._url = self._start()
            self._loop.run_until_complete(self._ready())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def send(self, session: str, body: Json, cold_at: int, wanted: frozenset[str] = frozenset()) -> Sent:
        """The gateway finds out itself when a conversation was cold."""
        self._wanted, self._texts = wanted, texts_by_id(body)
        first, *more = self._loop.run_until_complete(self._send(session, body))
        self.more += len(more)
        untouched = None
        if self._anthropic:
            [untouched] = self._loop.run_until_complete(self._send(f"{session} untouched", body, AS_IT_IS))
        return Sent(first, more=tuple(more), untouched=untouched)

    def fresh(self) -> None:
        """There is but one process."""

    def _answer(self, prompt: Mapping[str, Any]) -> Reply:
        body = self._read(dict(prompt))
        recall = recall_for(body, self._wanted, self._texts)
        usage = self._usage(prompt_of(body))
        if recall is None:
            return Reply(text="ok", usage=usage)
        return Reply(tool_calls=((RECALL, recall),), usage=usage)

    def _usage(self, prompt: Prompt) -> Counts:
        new = AtBreakpoints(TTL, as_marked=True) if self._anthropic else ByItself(SMALLEST, STEP, TTL)
        charge = self._caches.setdefault(self._session, new).turn(0.0, prompt)
        return Counts(charge.tokens, ANSWER, charge.read, charge.written)

    def _read(self, body: Json) -> Json:
        """A body that reached the upstream, in the chat form."""
        return as_chat(body) if self._anthropic else body

    def _start(self) -> str:
        """Start the gateway; gives its address once it listens. Raises `RuntimeError` where it does not."""
        config = Path(self._folder.name) / "tiers.yaml"
        plugins = [{"gateway_reduce": {"level": self._level}}]
        ledger = {"url": f"sqlite:///{self._folder.name}/ledger.db"}
        tiers = {"tiers": self._tiers()} if self._anthropic else {}
        text = tiers_yaml(self._upstream.url, plugins=plugins, ledger=ledger, **tiers)
        config.write_text(text, encoding="utf-8")
        log = Path(self._folder.name) / "log"
        with log.open("w") as told:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--port", "0"],
                stderr=told,
                env={**os.environ, **ENV},
                text=True,
            )
        until = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            said = log.read_text()
            if " listens on " in said and "\n" in said.partition(" listens on ")[2]:
                return said.partition(" listens on ")[2].split()[0]
            time.sleep(0.05)
        raise RuntimeError(f"the gateway does not listen: {log.read_text()}")

    def _tiers(self) -> Json:
        base = {"api_key": "${SCRIPTED_KEY}", "api_base": self._upstream.root}
        return {"strong": {"models": [{"name": MODEL, "model": "anthropic/claude-sonnet-4-5", **base}]}}

    async def _ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        async with aiohttp.ClientSession() as http:
            while time.monotonic() < until:
                async with http.get(f"{self._url}/readyz") as got:
                    if got.status == 200:
                        return
                await asyncio.sleep(0.1)
        raise RuntimeError("the gateway does not become ready")

    async def _send(self, session: str, body: Json, hints: Mapping[str, str] = NO_HINTS) -> list[Json]:
        """What reached the upstream."""
        self._upstream.calls.clear()
        self._session = session
        asked = {**body, "model": MODEL, "stream": False}
        headers = {"x-thriftgate-session": session, **hints}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._url}/v1/chat/completions", json=asked, headers=headers) as got,
        ):
            if got.status != 200:
                raise RuntimeError(f"{session}: {got.status} {await got.text()}")
            await got.read()
        return [self._read(call.body) for call in self._upstream.calls]

    def _close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
        self._loop.run_until_complete(self._upstream.close())
        self._loop.close()
        self._folder.cleanup()
