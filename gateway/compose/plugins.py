"""Finding the plugins that tiers.yaml names, checking their settings, and seating them in their roles.

A plugin is named by its entry point in the group `gateway.plugins`, or as `module:Class`, found on the import path or
in the folder that `plugin_path` names. Only what is named runs.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

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
from gateway.config import Config, ConfigError, PluginEntry, Problem, settings_of

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


def load_plugins(config: Config) -> tuple[Loaded, ...]:
    """The plugins of a configuration, in its order. Raises `ConfigError` with every problem at its line."""
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    for index, entry in enumerate(config.plugins):
        try:
            plugin = _find(entry.name, config)
        except Exception as error:  # noqa: BLE001  # importing runs the plugin's own code, which may raise anything
            expected = "the name of an installed plugin, or module:Class"
            problems.append(_problem(config, ("plugins", index), str(error) or type(error).__name__, expected))
            continue
        try:
            loaded.append(Loaded(entry, plugin, settings_of(config, entry, plugin.Settings)))
        except ConfigError as error:
            problems += error.problems
    for role in _ONE_OF_A_KIND:
        players = [plugin.entry.name for plugin in loaded if role in plugin.roles]
        if len(players) > 1:
            message = f"{' and '.join(players)} both want to be the {role}"
            problems.append(_problem(config, ("plugins",), message, f"one {role}"))
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


def _find(name: str, config: Config) -> type[Plugin]:
    module, colon, attribute = name.partition(":")
    if colon:
        folder = str(config.plugin_path.resolve())
        if config.plugin_path.is_dir() and folder not in sys.path:
            sys.path.append(folder)
        found = getattr(importlib.import_module(module), attribute, None)
    else:
        entry = known_plugins().get(name)
        if entry is None:
            raise LookupError(f"no plugin `{name}` is installed; there are {', '.join(sorted(known_plugins()))}")
        found = entry.load()
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise TypeError(f"`{name}` is not a gateway.api.Plugin")
    if not roles_of(found):
        raise TypeError(f"`{name}` plays none of the roles {', '.join(ROLES)}")
    if issubclass(found, Listener) and not _are_events(found.events):
        raise TypeError(f"`{name}.events` is not a tuple of events")
    return found


def _are_events(given: object) -> bool:
    return isinstance(given, tuple) and all(isinstance(kind, type) and issubclass(kind, Event) for kind in given)


async def start(loaded: Loaded, host: Host, config: Config) -> Plugin:
    """One plugin, made and started. Raises `ConfigError` at its line where its own code fails."""
    try:
        plugin = loaded.type(host, loaded.settings)
        async with asyncio.timeout(_START_SECONDS):
            await plugin.start()
    except Exception as error:
        what = f"`{loaded.entry.name}` does not start: {type(error).__name__}: {error}"
        raise ConfigError([_problem(config, loaded.entry.path, what, "")]) from error
    return plugin


def _problem(config: Config, place: tuple[Any, ...], message: str, expected: str) -> Problem:
    line, column = config.locate(place)
    return Problem(path=config.path, line=line, column=column, message=message, expected=expected, severity="error")
