"""What happens in a request's life, as immutable values. Listeners receive them after the fact and off the path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gateway.api.values import Attempt, CallRecord, Complexity, RoutePlan


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is Unix time in seconds; `name` is the event's name on the wire."""

    name: ClassVar[str] = "event"
    at: float


@dataclass(frozen=True, slots=True)
class RequestStarted(Event):
    name: ClassVar[str] = "request.started"
    id: str
    caller: str
    session: str


@dataclass(frozen=True, slots=True)
class RouteSelected(Event):
    name: ClassVar[str] = "route.selected"
    id: str
    complexity: Complexity
    plan: RoutePlan


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """One upstream call is over; `will_retry` says whether another one follows."""

    name: ClassVar[str] = "attempt.ended"
    id: str
    attempt: Attempt
    will_retry: bool


@dataclass(frozen=True, slots=True)
class TierUpgraded(Event):
    """An answer of a lower tier did not do, or no deployment of it was left, and the call went one tier up."""

    name: ClassVar[str] = "tier.upgraded"
    id: str
    reason: str


WhyUntrimmed = Literal["structure", "emptied", "json", "utf8", "longer", "dearer", "cache_misses"]
"""`structure` to `longer`: the trimmed prompt did not say what the caller's does. `dearer`: it was expected to cost
more. `cache_misses`: with trimmed prompts the provider's cache did not find what it should have."""


@dataclass(frozen=True, slots=True)
class Untrimmed(Event):
    """A prompt that an optimizer had trimmed is sent as its caller wrote it; for `cache_misses` all further ones of the
    conversation."""

    name: ClassVar[str] = "prompt.untrimmed"
    id: str
    reason: WhyUntrimmed


@dataclass(frozen=True, slots=True)
class RequestEnded(Event):
    """The call is over and on record. `record.outcome.kind` says how: completed, failed, refused or cancelled."""

    name: ClassVar[str] = "request.ended"
    record: CallRecord


@dataclass(frozen=True, slots=True)
class DeploymentCooling(Event):
    """A deployment failed often enough to rest for `seconds`."""

    name: ClassVar[str] = "deployment.cooling"
    deployment: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class PluginFailed(Event):
    """A plugin raised or passed its deadline and was passed over; the request went on as its role prescribes."""

    name: ClassVar[str] = "plugin.failed"
    plugin: str
    role: str
    error: str


@dataclass(frozen=True, slots=True)
class ConfigReloaded(Event):
    """tiers.yaml changed: `problems` is empty when the new file is in force, else the old one stays."""

    name: ClassVar[str] = "config.reloaded"
    problems: tuple[str, ...]
    inactive: tuple[tuple[str, str], ...] = ()
