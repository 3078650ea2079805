"""What the server needs of the running gateway, and where handlers find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from gateway.api import Ledger
from gateway.pipeline import Pipeline
from gateway.server.auth import Auth


class Front(Protocol):
    """The running gateway. A reload replaces `pipeline`, `auth` and `max_body`; a call keeps those it began with."""

    @property
    def pipeline(self) -> Pipeline: ...
    @property
    def auth(self) -> Auth: ...
    @property
    def max_body(self) -> int:
        """The largest request body in bytes."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def not_ready(self) -> str | None:
        """Why requests cannot be served yet or any more; `None` when they can."""

    @property
    def draining(self) -> bool: ...


@dataclass(slots=True)
class InFlight:
    """How many requests are being answered."""

    count: int = 0


FRONT: web.AppKey[Front] = web.AppKey("front")
IN_FLIGHT: web.AppKey[InFlight] = web.AppKey("in_flight", InFlight)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
