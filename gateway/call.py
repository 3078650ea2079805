"""One call on its way through the gateway: the only object with a life. Steps fill it in, `Pipeline.close` ends it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from gateway.api import (
    Asked,
    Attempt,
    Caller,
    CallRecord,
    ChatRequest,
    Complexity,
    Deployment,
    Edit,
    Json,
    Outcome,
    RoutePlan,
    Sizes,
    Usage,
    Warmth,
)
from gateway.money import Reservation
from gateway.session import SessionState

_NOTHING = Sizes(original=0, trimmed=0, output=0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller: a whole body, or the events of a stream (each one server-sent event).

    `upstream` is the stream below the events. Closing it is what ends the upstream call, also where nobody has begun
    to read the events (closing a generator that never ran does nothing).
    """

    body: bytes | None = None
    events: AsyncGenerator[bytes, None] | None = None
    upstream: AsyncGenerator[bytes, None] | None = None

    async def close(self) -> None:
        """End the upstream call if it still runs."""
        for stream in (self.events, self.upstream):
            if stream is not None:
                await stream.aclose()


@dataclass(slots=True)
class Call:
    """`started` is Unix time, `began` and all other moments are `time.monotonic`, `deadline` is the loop's time; all in
    seconds.

    The request stays as the caller sent it; `edits` lead to the trimmed body. `serving` is the deployment that
    answers, `answering` the place of its attempt in `attempts`, `usage` what it reported (or what was estimated where
    it reported nothing).
    """

    id: str
    request: ChatRequest
    caller: Caller
    session: str
    memory: SessionState
    warmth: Warmth
    started: float
    began: float
    deadline: float
    asked: Asked
    edits: tuple[Edit, ...] = ()
    trimmed_body: Json | None = None
    prompt_chars: int = 0
    removed_chars: int = 0
    sizes: Sizes = _NOTHING
    complexity: Complexity | None = None
    plan: RoutePlan | None = None
    advised: RoutePlan | None = None
    reservation: Reservation | None = None
    attempts: list[Attempt] = field(default_factory=list)
    answering: int | None = None
    serving: Deployment | None = None
    sent_at: float | None = None
    first_token_at: float | None = None
    usage: Usage | None = None
    service_tier: str | None = None
    finish_reason: str | None = None
    output_chars: int = 0
    reply: Reply | None = None
    outcome: Outcome | None = None
    record: CallRecord | None = None
    closed: bool = False

    def body_for_upstream(self) -> Json:
        """The body the plan sends: trimmed, or as the caller sent it."""
        if self.trimmed_body is not None and self.plan is not None and self.plan.trimmed:
            return self.trimmed_body
        return self.request.body

    @property
    def trimmed(self) -> bool:
        """Whether the body that is sent differs from the caller's."""
        return self.body_for_upstream() is not self.request.body
