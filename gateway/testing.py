"""For tests of the gateway and of plugins: a whole gateway on loopback, and a scripted upstream behind it.

async with ScriptedUpstream() as upstream, running(tiers_yaml(upstream.url)) as gateway:
    upstream.reply(text="hi")
    ... any client at gateway.url ...
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from aiohttp import web

from gateway import config as configuration
from gateway.api import Json
from gateway.compose import Gateway
from gateway.compose.serve import app_runner
from gateway.server.app import create_app
from gateway.upstream.scripted import ScriptedUpstream

__all__ = ["Running", "ScriptedUpstream", "running", "tiers_yaml"]

_DEFAULT_LEDGER = "sqlite:///thriftgate.db"
ENV = {"SCRIPTED_KEY": "sk-scripted"}
"""The variables that the deployments of `tiers_yaml` refer to."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that listens. `url` is the base for OpenAI clients (ends in `/v1`), `root` the bare address."""

    gateway: Gateway
    root: str

    @property
    def url(self) -> str:
        return f"{self.root}/v1"


def tiers_yaml(upstream_url: str, *, plugins: Sequence[str | Json] = (), **sections: Json) -> str:
    """A configuration with one priced model in each tier, all at one OpenAI-shaped upstream.

    The models are `small` ($0.1 in, $0.4 out), `middle` ($1, $4) and `large` ($5, $20), with cache reads at a tenth.
    `sections` are further top-level sections, or replace the ones made here.
    """
    prices = {"weak": ("small", 0.1, 0.4), "base": ("middle", 1.0, 4.0), "strong": ("large", 5.0, 20.0)}
    tiers = {
        tier: {
            "models": [
                {
                    "name": name,
                    "model": f"openai/{name}-1",
                    "api_key": "${SCRIPTED_KEY}",
                    "api_base": upstream_url,
                    "price": {"input": dollars_in, "output": dollars_out, "cache_read": dollars_in / 10},
                    "context_window": 200_000,
                    "max_output": 8_000,
                }
            ]
        }
        for tier, (name, dollars_in, dollars_out) in prices.items()
    }
    return yaml.safe_dump({"tiers": tiers, "plugins": list(plugins), **sections}, sort_keys=False)


@asynccontextmanager
async def running(
    text: str, *, env: Mapping[str, str] = ENV, clock: Callable[[], float] = time.time, wait: bool = True
) -> AsyncGenerator[Running, None]:
    """A gateway of this configuration on a free port of loopback, its ledger in a temporary folder unless the text
    names another. `wait`: until the provider layer is loaded.

    Raises `ConfigError` for a bad configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiers.yaml"
        path.write_text(text, encoding="utf-8")
        config = configuration.load(path, env)
        if config.ledger_url == _DEFAULT_LEDGER:
            config = replace(config, ledger_url=f"sqlite:///{folder}/ledger.db")
        gateway = Gateway(config, clock=clock)
        await gateway.start()
        try:
            await gateway.load_providers()
            runner = app_runner(create_app(gateway, gateway.surface_routes()))
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                if wait:
                    await gateway.upstreams.wait_ready()
                yield Running(gateway, f"http://127.0.0.1:{runner.addresses[0][1]}")
            finally:
                await runner.cleanup()
        finally:
            await gateway.stop()
