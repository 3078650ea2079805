"""What the gateway works with once the file is read: frozen, every value checked, every reference resolved."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any, Literal

from gateway.api import Deployment, Path, Routing
from gateway.config.problems import Problem, Spot
from gateway.config.source import Source

MASTER = "master"
DEFAULT_BUDGET = "default"
"""The budget of callers that name none."""


@dataclass(frozen=True, slots=True)
class Server:
    """Timeouts are in seconds. `request_timeout` covers retries, fallbacks and the whole stream; `first_token_timeout`
    runs from the request's sending to a stream's first event, `idle_timeout` between two pieces of a stream;
    `max_attempts` counts all upstream calls of one request."""

    host: str
    port: int
    max_body_mb: float
    request_timeout: float
    connect_timeout: float
    first_token_timeout: float
    idle_timeout: float
    max_attempts: int
    drain_seconds: float

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Context:
    """Whether the model may ask for what was left out of its prompt, how long that is kept after its last use, and how
    much of it at most. `cache_hints`: prompts that their callers do not mark are marked for the provider's cache where
    that pays."""

    recall: Literal["auto", "always", "never"]
    stash_hours: float
    stash_mb: float
    cache_hints: bool

    @property
    def stash_seconds(self) -> float:
        return self.stash_hours * 3600

    @property
    def stash_bytes(self) -> int:
        return int(self.stash_mb * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in a calendar day or month (UTC), or in all. At its end requests are refused, or served by
    free models only."""

    name: str
    limit_usd: float
    period: Literal["day", "month", "total"]
    on_exhausted: Literal["refuse", "free_only"]


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A key that callers present. Only its SHA-256 is kept, as 64 hex digits; `None` where its variable is unset, as
    `inactive` then says. The master key is the one named `master`."""

    name: str
    sha256: str | None = field(repr=False)
    budget: str | None = None
    admin: bool = False
    inactive: str | None = None

    def matches(self, presented: str) -> bool:
        """Whether this is the key, compared in constant time. An inactive key matches nothing."""
        if self.sha256 is None:
            return False
        return hmac.compare_digest(self.sha256, digest(presented))


def digest(key: str) -> str:
    """The SHA-256 of a key as 64 hex digits."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One entry of `plugins`: the entry point's name or `module:Class`, and its settings as they stand in the file.

    `fail` is what the file says of a guard, `None` where it says nothing. `path` leads to the settings, for
    `Config.locate`.
    """

    name: str
    settings: Mapping[str, Any]
    fail: Literal["open", "closed"] | None
    line: int
    path: Path


@dataclass(frozen=True, slots=True)
class Draft:
    """The plugins that a file names, whatever else is wrong with it."""

    plugins: tuple[PluginEntry, ...]
    plugin_path: FilePath
    source: Source


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid tiers.yaml.

    `deployments` are all of the file's in its order, the inactive ones included. `keys` begins with the master key
    where there is one. `plugin_path` and a relative path in `ledger_url` count from the working directory.
    """

    path: FilePath
    server: Server
    deployments: tuple[Deployment, ...]
    routing: Routing
    max_escalations: int
    context: Context
    budgets: tuple[Budget, ...]
    keys: tuple[VirtualKey, ...]
    ledger_url: str
    plugins: tuple[PluginEntry, ...]
    plugin_path: FilePath
    state_url: str = field(repr=False)  # it may hold a password
    warnings: tuple[Problem, ...] = ()
    source: Source = field(kw_only=True, repr=False, compare=False)

    @property
    def needs_key(self) -> bool:
        """Whether every caller has to present a key. True also while some of the configured keys are inactive."""
        return bool(self.keys)

    def locate(self, path: Path) -> Spot:
        """Line and column of the value at a path of keys and list positions, or of the nearest thing around it."""
        return self.source.locate(path)
