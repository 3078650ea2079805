"""Finding the plugins that tiers.yaml names, checking their settings, and seating them in their roles.

A plugin is named by its entry point in the group `gateway.plugins`, or as `module:Class`, found on the import path or
in the folder that `plugin_path` names. Only what is named runs.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from pathlib import Path
from typing import Any, TypeVar

from aiohttp.web import AbstractRouteDef, RouteDef

from gateway import config as configuration
from gateway.api import (
    Event,
    Guard,
    Host,
    Listener,
    Optimizer,
    Plugin,
    Router,
    Scorer,
    Settings,
    StreamFilter,
    Surface,
    Verifier,
)
from gateway.cast import Cast, Seated
from gateway.config import Config, ConfigError, Draft, PluginEntry, Problem, did_you_mean, listed, settings_of

GROUP = "gateway.plugins"
_START_SECONDS = 60.0
ROLES: dict[str, type[Any]] = {
    "guard": Guard,
    "optimizer": Optimizer,
    "scorer": Scorer,
    "router": Router,
    "verifier": Verifier,
    "stream_filter": StreamFilter,
    "listener": Listener,
    "surface": Surface,
}
_ONE_OF_A_KIND = ("scorer", "router")

RoleT = TypeVar("RoleT")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin's class with its checked settings, before it is made."""

    entry: PluginEntry
    type: type[Plugin]
    settings: Settings

    @property
    def roles(self) -> tuple[str, ...]:
        return roles_of(self.type)

    def same_as(self, other: Loaded) -> bool:
        """Whether an instance made for `other` can go on for this one."""
        return self.entry.name == other.entry.name and self.type is other.type and self.settings == other.settings


def roles_of(plugin: type[Any]) -> tuple[str, ...]:
    """The roles a plugin's class plays."""
    return tuple(name for name, role in ROLES.items() if issubclass(plugin, role))


def known_plugins() -> dict[str, EntryPoint]:
    """The installed plugins by name, whether tiers.yaml names them or not."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_config(path: Path, env: Mapping[str, str]) -> Config:
    """The configuration, its plugins found and their settings checked. Raises `ConfigError` with every problem."""
    return configuration.load(path, env, installed=_problems)


def _problems(draft: Draft) -> tuple[Problem, ...]:
    try:
        load_plugins(draft)
    except ConfigError as error:
        return error.problems
    return ()


def load_plugins(config: Config | Draft) -> tuple[Loaded, ...]:
    """The plugins of a configuration, in its order. Raises `ConfigError` with every problem at its line."""
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    for entry in config.plugins:
        try:
            plugin = _find(entry.name, config.plugin_path)
            loaded.append(Loaded(entry, plugin, settings_of(config.source, entry, plugin.Settings)))
            if entry.fail is not None and Guard not in plugin.__mro__:
                message = f"`fail` is for guards, and `{entry.name}` is none"
                problems.append(config.source.problem((*entry.path, "fail"), message, "no `fail` here", key=True))
        except _UnusableError as error:
            problems.append(config.source.problem(entry.path[:2], error.message, error.expected))
        except ConfigError as error:
            problems += error.problems
    for role in _ONE_OF_A_KIND:
        players = [plugin.entry.name for plugin in loaded if role in plugin.roles]
        if len(players) > 1:
            message = f"{' and '.join(players)} both want to be the {role}"
            problems.append(config.source.problem(("plugins",), message, f"one {role}"))
    if problems:
        raise ConfigError(problems)
    return tuple(loaded)


def make_cast(
    plugins: Iterable[tuple[Loaded, Plugin]], *, publish: Callable[[Event], None], clock: Callable[[], float]
) -> Cast:
    """The plugins in their seats, in their order."""
    pairs = list(plugins)
    scorers = _seats(pairs, Scorer)  # type: ignore[type-abstract]  # only used to ask isinstance
    routers = _seats(pairs, Router)  # type: ignore[type-abstract]  # as above
    return Cast(
        publish=publish,
        clock=clock,
        guards=_seats(pairs, Guard),  # type: ignore[type-abstract]  # as above
        optimizers=_seats(pairs, Optimizer),  # type: ignore[type-abstract]  # as above
        scorer=scorers[0] if scorers else None,
        router=routers[0] if routers else None,
        verifiers=_seats(pairs, Verifier),  # type: ignore[type-abstract]  # as above
        filters=_seats(pairs, StreamFilter),  # type: ignore[type-abstract]  # as above
    )


def _seats(pairs: list[tuple[Loaded, Plugin]], role: type[RoleT]) -> tuple[Seated[RoleT], ...]:
    return tuple(
        Seated(loaded.entry.name, plugin, loaded.entry.fail or "closed")
        for loaded, plugin in pairs
        if isinstance(plugin, role)
    )


class _UnusableError(Exception):
    """Why a plugin cannot be used, and what was `expected`."""

    def __init__(self, message: str, expected: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected


def _find(name: str, folder: Path) -> type[Plugin]:
    module, colon, attribute = name.partition(":")
    found = _own(module, attribute, folder) if colon else _installed(name)
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise _UnusableError(f"`{name}` is not a gateway.api.Plugin", "a class that subclasses `Plugin` and its roles")
    roles = roles_of(found)
    if not roles:
        raise _UnusableError(
            f"`{name}` plays no role", f"a subclass of {listed((role.__name__ for role in ROLES.values()), 'or')}"
        )
    if isabstract(found):
        methods = [one for one in dir(found) if getattr(getattr(found, one), "__isabstractmethod__", False)]
        lacking = ", ".join(f"`{method}`" for method in methods)
        raise _UnusableError(f"`{name}` has no {lacking}", f"the method of each of its roles: {', '.join(roles)}")
    if issubclass(found, Listener) and not _are_events(found.events):
        raise _UnusableError(f"`{name}.events` names no events", "a tuple of classes of events")
    return found


def _are_events(given: object) -> bool:
    return isinstance(given, tuple) and all(isinstance(kind, type) and issubclass(kind, Event) for kind in given)


def _installed(name: str) -> object:
    known = known_plugins()
    if name not in known:
        message = f"no plugin `{name}` is installed{did_you_mean(name, known)}"
        raise _UnusableError(message, f"one of {', '.join(sorted(known))}, or `module:Class`")
    return _imported(name, known[name].load)


def _own(module: str, attribute: str, folder: Path) -> object:
    """A class out of the import path or out of the folder, which comes behind it."""
    place = str(folder.resolve())
    if folder.is_dir() and place not in sys.path:
        sys.path.append(place)
    importlib.invalidate_caches()  # the file may be newer than the last look into its folder
    loaded = _imported(f"{module}:{attribute}", lambda: importlib.import_module(module), module)
    if not hasattr(loaded, attribute):
        near = did_you_mean(attribute, (name for name, value in vars(loaded).items() if isinstance(value, type)))
        raise _UnusableError(f"`{module}:{attribute}`: the module has no `{attribute}`{near}", "one of its classes")
    return getattr(loaded, attribute)


def _imported(name: str, load: Callable[[], object], module: str = "") -> object:
    try:
        return load()
    except (Exception, SystemExit) as error:  # importing runs the plugin's own code, which may do anything
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            expected = "a module in the folder `plugin_path`, or on Python's import path"
            raise _UnusableError(f"`{name}`: there is no module `{module}`", expected) from error
        raise _UnusableError(f"`{name}` cannot be imported: {type(error).__name__}: {error}{_where(error)}") from error


def _where(error: BaseException) -> str:
    """` (file.py, line 3)`; a syntax error says it itself."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) or not frames:
        return ""
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


async def start(loaded: Loaded, host: Host, config: Config) -> Plugin:
    """One plugin, made and started. Raises `ConfigError` at its line where its own code fails."""
    try:
        plugin = loaded.type(host, loaded.settings)
        async with asyncio.timeout(_START_SECONDS):
            await plugin.start()
    except Exception as error:
        message = f"`{loaded.entry.name}` does not start: {type(error).__name__}: {error}"
        raise ConfigError([config.source.problem(loaded.entry.path, message)]) from error
    return plugin


def surface_routes(loaded: Loaded, plugin: Plugin, config: Config) -> list[AbstractRouteDef]:
    """The routes a surface adds. Raises `ConfigError` at its line where its own code fails, or gives anything else."""
    try:
        routes = list(plugin.routes()) if isinstance(plugin, Surface) else []
        for route in routes:
            if not isinstance(route, RouteDef):  # a static folder would not ask for an admin's key
                raise TypeError(f"{type(route).__name__} is no route")  # noqa: TRY301  # the plugin's fault as any other
    except Exception as error:
        message = f"`{loaded.entry.name}` gives no routes: {type(error).__name__}: {error}"
        raise ConfigError([config.source.problem(loaded.entry.path, message)]) from error
    return routes
