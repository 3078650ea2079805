"""What a plugin sees of the gateway: `gateway.api.Host`, made real."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.api import Answer, Deployment, Event, Json, Ledger, Routing, State


class InForce(Protocol):
    """The configuration in force; a reload changes what these give."""

    @property
    def routing(self) -> Routing: ...
    @property
    def deployments(self) -> tuple[Deployment, ...]: ...


@dataclass(frozen=True, slots=True)
class PluginHost:
    """One plugin's host: shared services, and a logger of its own."""

    log: logging.Logger
    clock: Callable[[], float]
    ledger: Ledger
    state: State
    in_force: InForce
    publisher: Callable[[Event], None]
    completer: Callable[[Json, str], Awaitable[Answer]]

    @property
    def routing(self) -> Routing:
        return self.in_force.routing

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        return self.in_force.deployments

    def publish(self, event: Event) -> None:
        self.publisher(event)

    async def complete(self, body: Json, *, caller: str) -> Answer:
        return await self.completer(body, caller)
