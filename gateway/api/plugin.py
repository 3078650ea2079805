"""What every plugin is, and what the gateway offers it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from gateway.api.answers import Answer
from gateway.api.events import Event
from gateway.api.values import Deployment, Json, Routing


class Settings(BaseModel):
    """Base of a plugin's settings: what stands under its name in tiers.yaml. Unknown keys are problems."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ledger(Protocol):
    """Read access to the record of calls."""

    async def get(self, id: str) -> Json | None:
        """The whole record of one call as JSON values, `None` where there is none."""

    async def recent(self, limit: int = 100) -> Sequence[Json]:
        """The latest records, newest first."""


@dataclass(frozen=True, slots=True)
class StateHealth:
    """How the store behind the state does: whether it is away now, how often it went away, and how many operations it
    gave no answer to. What is left out of prompts, where it lies in the same store, counts too."""

    away: bool = False
    outages: int = 0
    lost: int = 0


class State(Protocol):
    """Small values shared by the requests (and, where configured, the replicas) of a gateway, gone after their TTL."""

    @property
    def health(self) -> StateHealth: ...
    async def get(self, key: str) -> bytes | None: ...
    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """`ttl` in seconds."""


class Host(Protocol):
    """All that a plugin may ask the gateway for."""

    @property
    def log(self) -> logging.Logger: ...
    @property
    def clock(self) -> Callable[[], float]:
        """Unix time in seconds; a test may replace it."""

    @property
    def routing(self) -> Routing: ...
    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All configured deployments, the inactive ones included, in the file's order."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def state(self) -> State: ...
    def publish(self, event: Event) -> None:
        """Tell the listeners; never blocks, never raises."""

    async def complete(self, body: Json, *, caller: str) -> Answer:
        """Send a request through the whole pipeline, charged to `caller`. Raises what a client would see."""


class Plugin:
    """Base class of every plugin; it subclasses the roles it plays beside this one.

    The gateway makes it with its host and its validated settings, calls `start` before the first request and `stop`
    after the last. On a reload hot plugins are built anew; those that listen or have routes stay while their
    settings are unchanged.
    """

    Settings: ClassVar[type[Settings]] = Settings

    def __init__(self, host: Host, settings: Any) -> None:
        self.host = host
        self.settings = settings

    async def start(self) -> None:
        """Acquire what the plugin needs. An error here fails the gateway's start."""

    async def stop(self) -> None:
        """Release it again."""
