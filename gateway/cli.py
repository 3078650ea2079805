"""The command `thriftgate`. No command but `serve` loads litellm."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from gateway import __version__, wire
from gateway import config as configuration
from gateway.api import Json, RefusedError, ThriftgateError, Tier
from gateway.compose import Gateway, known_plugins, load_config, load_plugins
from gateway.compose import serve as serve_gateway
from gateway.compose.plugins import roles_of
from gateway.config import Config, ConfigError
from gateway.preview import Preview
from gateway.show import models_table, show_decision, show_preview

_BAD_CONFIG = 2
_WIDE = 200  # columns
_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="The configuration; else ./tiers.yaml, else the shipped one.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="thriftgate")
def main() -> None:
    """An OpenAI-compatible gateway that makes agents cheaper without making them worse."""


@main.command()
@_config
@click.option("--host", help="Address to listen on; else server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; else server.port. 0 takes a free one.")
@click.option("--verbose", is_flag=True, help="Log every step.")
def serve(path: Path | None, host: str | None, port: int | None, verbose: bool) -> None:
    """Serve until told to stop.

    Reloads the configuration when its file changes and on SIGHUP; a bad one changes nothing. SIGTERM and Ctrl-C end
    the running requests first.
    """
    _log_to_terminal(verbose=verbose)
    found = configuration.find(path)
    try:
        _run(serve_gateway(found, host=host, port=port, announce=_announce))
    except ConfigError as error:
        _exit_with_problems(error)
    except (ThriftgateError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_config
def check(path: Path | None) -> None:
    """Tell every problem of the configuration.

    Each with file, line, column and what was expected. Exits with 2 if there is one.
    """
    gateway = _offline(path)
    config, out = gateway.config, Console(highlight=False, soft_wrap=True)  # a line stays a line, however long
    for warning in config.warnings:
        out.print(escape(str(warning)), style="yellow")
    active, all_ = gateway.deployments.active, gateway.deployments.all
    out.print(f"{config.path}: valid. {len(active)} of {len(all_)} deployments are active.")
    for deployment in all_:
        if deployment.inactive:
            out.print(f"  inactive: {deployment.name} ({escape(deployment.inactive)})", style="dim")
        elif deployment.price is None and not deployment.wildcard:
            out.print(f"  no price known: {deployment.name}; its cost will be `unknown`", style="yellow")


@main.command()
@click.argument("request_file", type=click.File("rb"), metavar="REQUEST.JSON")
@_config
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
def explain(request_file: Any, path: Path | None, as_json: bool) -> None:
    """Show the decision for a request, calling no one.

    REQUEST.JSON is the body of a chat completion; `-` reads it from standard input.
    """
    gateway = _offline(path)
    try:
        decision = _run(_decide(gateway, request_file.read()))
    except ConfigError as error:  # a plugin that does not start
        _exit_with_problems(error)
    except RefusedError as error:
        raise click.ClickException(f"{error.message} ({error.status} {error.code})") from error
    if as_json:
        click.echo(json.dumps(decision, indent=2))
    else:
        show_decision(decision, _console())


@main.command()
@click.argument("request_file", type=click.File("rb"), metavar="REQUEST.JSON")
@_config
@click.option("--full", is_flag=True, help="Show every line whole.")
@click.option("--json", "as_json", is_flag=True, help="Print the trimmed body and nothing else.")
def trim(request_file: Any, path: Path | None, full: bool, as_json: bool) -> None:
    """Show what would be cut from a request, calling no one.

    REQUEST.JSON is the body of a chat completion; `-` reads it from standard input.
    """
    gateway = _offline(path)
    try:
        found = _run(_preview(gateway, request_file.read()))
    except ConfigError as error:  # a plugin that does not start
        _exit_with_problems(error)
    except RefusedError as error:
        raise click.BadParameter(error.message, param_hint="REQUEST.JSON") from error
    if as_json:
        click.echo(wire.dumps(found.body))
    else:
        show_preview(found, _console(), full=full)


@main.command()
@_config
def models(path: Path | None) -> None:
    """List the deployments and whether each is active.

    With price (USD per million tokens) and context window (tokens).
    """
    gateway = _offline(path)
    out, table = _console(), models_table(gateway.deployments.all, whole=True)
    if Console(width=_WIDE).measure(table).maximum > out.width:
        table = models_table(gateway.deployments.all, whole=False)
    out.print(table)


@main.command()
@_config
def plugins(path: Path | None) -> None:
    """List the plugins and what each does.

    All that are installed, and those that the configuration names.
    """
    running = {plugin.entry.name: plugin.type for plugin in load_plugins(_load(path))}
    table = Table("plugin", "runs", "roles", "what it does", box=None, pad_edge=False)
    for name, entry in sorted(known_plugins().items()):
        table.add_row(
            name, "yes" if name in running else "no", ", ".join(roles_of(entry.load())), _first_line(entry.load())
        )
    for name, type_ in running.items():
        if name not in known_plugins():
            table.add_row(name, "yes", ", ".join(roles_of(type_)), _first_line(type_))
    _console().print(table)


@main.command()
@click.argument("target", type=click.Path(path_type=Path), default=Path("tiers.yaml"))
def init(target: Path) -> None:
    """Write the commented configuration for you to edit.

    To TARGET, or to ./tiers.yaml. A file that exists is left as it is.
    """
    if target.exists():
        raise click.ClickException(f"{target} exists; it was left as it is.")
    shutil.copyfile(configuration.shipped(), target)
    click.echo(f"Wrote {target}. `thriftgate check` tells whether it is valid, `thriftgate serve` runs it.")


def _load(path: Path | None) -> Config:
    try:
        return load_config(configuration.find(path), os.environ)
    except ConfigError as error:
        _exit_with_problems(error)


def _offline(path: Path | None) -> Gateway:
    """A gateway that decides but calls no one."""
    return Gateway(_load(path), offline=True)


def _exit_with_problems(error: ConfigError) -> NoReturn:
    for problem in error.problems:
        click.echo(str(problem), err=True)
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count != 1 else ''}", err=True)
    sys.exit(_BAD_CONFIG)


async def _decide(gateway: Gateway, raw: bytes) -> Json:
    await gateway.start()
    try:
        return await gateway.explain(raw)
    finally:
        await gateway.stop()


async def _preview(gateway: Gateway, raw: bytes) -> Preview:
    await gateway.start()
    try:
        return gateway.preview(raw)
    finally:
        await gateway.stop()


def _console() -> Console:
    """Standard output; as wide as it needs to be where it goes to a file or a pipe."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def _first_line(type_: type[Any]) -> str:
    return (type_.__doc__ or "").strip().split("\n", 1)[0]


def _announce(gateway: Gateway, address: str) -> None:
    """What a person wants to see when the gateway listens."""
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    active = gateway.deployments.active
    out.print(f"[bold]Thriftgate {__version__}[/] listens on {address}")
    out.print(
        f"  configuration {gateway.config.path}; {len(active)} of {len(gateway.deployments.all)} deployments active"
    )
    for tier in Tier:
        names = [d.name for d in active if d.tier is tier]
        out.print(f"  {tier.value:7}{', '.join(names) if names else 'none active, the nearest tier serves'}")
    for warning in gateway.config.warnings:
        out.print(escape(str(warning)), style="yellow")
    if gateway.auth.open and not address.startswith(("http://127.", "http://[::1]", "http://localhost")):
        out.print("  no key is configured: whoever reaches this address can spend your money", style="bold red")
    reachable = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    out.print(f"  point your agent at it: OPENAI_BASE_URL={reachable}/v1")


def _log_to_terminal(*, verbose: bool) -> None:
    plain = not sys.stderr.isatty()
    handler = logging.StreamHandler() if plain else RichHandler(console=Console(stderr=True), show_path=False)
    if plain:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("thriftgate")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def _run(work: Any) -> Any:
    """Run a coroutine on uvloop where it exists."""
    try:
        import uvloop  # noqa: PLC0415  # not on every platform
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
