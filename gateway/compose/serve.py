"""Serving: listen, reload a changed file, and drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from gateway.api import ThriftgateError
from gateway.compose.assembly import Gateway
from gateway.compose.plugins import load_config
from gateway.config import Config, ConfigError
from gateway.server.app import create_app
from gateway.server.front import IN_FLIGHT
from gateway.server.runner import Runner
from gateway.state import without_secrets

_POLL_SECONDS = 0.5
_DRAIN_POLL_SECONDS = 0.05
_KEEPALIVE_SECONDS = 75.0
_LAST_SECONDS = 2.0  # for what is still in flight when the drain is over

Fixed = Mapping[str, object]

log = logging.getLogger("thriftgate")


async def serve(
    path: Path, *, host: str | None = None, port: int | None = None, announce: Callable[[Gateway, str], None]
) -> None:
    """Serve the configuration at `path` until SIGTERM or SIGINT. `announce` is told the address once it listens.

    Raises `ConfigError` for a bad file, `ThriftgateError` for a ledger that cannot be opened and for an address that
    cannot be listened on.
    """
    config = load_config(path, os.environ)
    gateway = Gateway(config)
    await gateway.start()
    try:
        app = create_app(gateway, gateway.surface_routes())
        runner = app_runner(app)
        await runner.setup()
        try:
            await _listen(runner, host or config.server.host, config.server.port if port is None else port)
            await gateway.load_providers()
            announce(gateway, _address(runner))
            overridden = {"server.host": host, "server.port": port}
            fixed = {name: value for name, value in fixed_at_start(config).items() if overridden.get(name) is None}
            await _until_told(gateway, path, fixed)
            await _drain(gateway, app, config.server.drain_seconds)
        finally:
            await runner.cleanup()
    finally:
        await gateway.stop()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:  # a name that is not resolved has its own numbers, and a text of its own
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ThriftgateError(f"cannot listen on {host}, port {port}: {reason}") from error


def app_runner(app: web.Application) -> web.AppRunner:
    """The application with aiohttp's defaults changed where they do not fit a gateway."""
    return Runner(
        app,
        handler_cancellation=True,  # the caller's leaving ends the upstream call
        access_log=None,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        auto_decompress=False,  # aiohttp's own has no bound; server.body has one
        shutdown_timeout=_LAST_SECONDS,
    )


async def _until_told(gateway: Gateway, path: Path, fixed: Fixed) -> None:
    """Reload on change and on SIGHUP until told to stop."""
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    file = WatchedFile(path)
    while not stop.is_set():
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, hup)]
        await asyncio.wait(waits, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if file.changed() or hup.is_set():
            hup.clear()
            await reload_file(gateway, path, fixed)


class WatchedFile:
    """Tells once of each change of a file, after it has come to rest: half of a file that is still being written may
    be valid, and lack the keys."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = self._before = self._fingerprint()

    def changed(self) -> bool:
        """Whether it is another than was told last, and the same as at the last call."""
        before, self._before = self._before, self._fingerprint()
        if self._before != before or self._before == self._told:
            return False
        self._told = self._before
        return True

    def _fingerprint(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


async def reload_file(gateway: Gateway, path: Path, fixed: Fixed) -> None:
    """Put the file in force. A bad one is told in the log and to the listeners, and changes nothing."""
    try:
        config = await asyncio.to_thread(load_config, path, os.environ)
        await gateway.reload(config)
    except ConfigError as error:
        log.error("%s is bad, the old configuration stays in force:\n%s", path, error)  # noqa: TRY400  # no traceback
        gateway.reload_failed(error)
        return
    except Exception:  # the last line of defence: a reload must never end a gateway that serves
        log.exception("%s could not be put in force, the old configuration stays", path)
        return
    wanted = fixed_at_start(config)
    for name, value in fixed.items():
        if wanted[name] != value:
            log.warning("%s is another now; it stays %s until the gateway is started again", name, value)
    for warning in config.warnings:
        log.warning("%s", warning)
    log.info("%s is in force", path)


def fixed_at_start(config: Config) -> Fixed:
    """What a reload cannot change, by its name in the file."""
    return {
        "ledger.url": config.ledger_url,
        "state.url": without_secrets(config.state_url),
        "server.host": config.server.host,
        "server.port": config.server.port,
    }


async def _drain(gateway: Gateway, app: web.Application, seconds: float) -> None:
    """Refuse new calls and let those in flight end, for `seconds` at most."""
    gateway.draining = True
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while app[IN_FLIGHT].count and loop.time() < until:  # noqa: ASYNC110  # a count is simpler than an event, and exact
        await asyncio.sleep(_DRAIN_POLL_SECONDS)
    if app[IN_FLIGHT].count:
        log.warning("%d calls were still in flight after %g seconds", app[IN_FLIGHT].count, seconds)


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
