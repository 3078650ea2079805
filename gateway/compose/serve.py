"""Serving: listen, reload a changed file, and drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from gateway.compose.assembly import Gateway
from gateway.compose.plugins import load_config
from gateway.config import Config, ConfigError
from gateway.server.app import create_app
from gateway.server.front import IN_FLIGHT

_POLL_SECONDS = 1.0
_DRAIN_POLL_SECONDS = 0.05
_KEEPALIVE_SECONDS = 75.0
_LAST_SECONDS = 2.0  # for what is still in flight when the drain is over

log = logging.getLogger("thriftgate")


async def serve(
    path: Path, *, host: str | None = None, port: int | None = None, announce: Callable[[Gateway, str], None]
) -> None:
    """Serve the configuration at `path` until SIGTERM or SIGINT. `announce` is told the address once it listens.

    Raises `ConfigError` for a bad file, `ThriftgateError` for a ledger that cannot be opened, `OSError` for an address
    that cannot be listened on.
    """
    config = load_config(path, os.environ)
    gateway = Gateway(config)
    await gateway.start()
    app = create_app(gateway, gateway.surface_routes())
    runner = app_runner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host or config.server.host, config.server.port if port is None else port)
        await site.start()
        await gateway.load_providers()
        announce(gateway, _address(runner))
        await _until_told(gateway, path)
        await _drain(gateway, app, config.server.drain_seconds)
    finally:
        await runner.cleanup()
        await gateway.stop()


def app_runner(app: web.Application) -> web.AppRunner:
    """The application with aiohttp's defaults changed where they do not fit a gateway."""
    return web.AppRunner(
        app,
        handler_cancellation=True,  # the caller's leaving ends the upstream call
        access_log=None,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        auto_decompress=False,  # aiohttp's own has no bound; server.body has one
        shutdown_timeout=_LAST_SECONDS,
    )


async def _until_told(gateway: Gateway, path: Path) -> None:
    """Reload on change and on SIGHUP until told to stop."""
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    seen = _fingerprint(path)
    while not stop.is_set():
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, hup)]
        await asyncio.wait(waits, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        now = _fingerprint(path)
        if hup.is_set() or now != seen:
            hup.clear()
            seen = now
            await reload_file(gateway, path)


async def reload_file(gateway: Gateway, path: Path) -> None:
    """Put the file in force. A bad one is told in the log and to the listeners, and changes nothing."""
    try:
        config = await asyncio.to_thread(load_config, path, os.environ)
        for name, old, new in _fixed_at_start(gateway.config, config):
            if old != new:
                log.warning("%s changed; the gateway keeps %s until it is started again", name, old)
        await gateway.reload(config)
    except ConfigError as error:
        log.error("%s is bad, the old configuration stays in force:\n%s", path, error)  # noqa: TRY400  # no traceback
        gateway.reload_failed(error)
        return
    except Exception:  # the last line of defence: a reload must never end a gateway that serves
        log.exception("%s could not be put in force, the old configuration stays", path)
        return
    for warning in config.warnings:
        log.warning("%s", warning)
    log.info("%s is in force", path)


def _fixed_at_start(old: Config, new: Config) -> list[tuple[str, object, object]]:
    """What a reload cannot change: name, old and new value."""
    return [
        ("ledger.url", old.ledger_url, new.ledger_url),
        ("state.url", old.state_url, new.state_url),
        ("server.host", old.server.host, new.server.host),
        ("server.port", old.server.port, new.server.port),
    ]


async def _drain(gateway: Gateway, app: web.Application, seconds: float) -> None:
    """Refuse new calls and let those in flight end, for `seconds` at most."""
    gateway.draining = True
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while app[IN_FLIGHT].count and loop.time() < until:  # noqa: ASYNC110  # a count is simpler than an event, and exact
        await asyncio.sleep(_DRAIN_POLL_SECONDS)
    if app[IN_FLIGHT].count:
        log.warning("%d calls were still in flight after %g seconds", app[IN_FLIGHT].count, seconds)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
