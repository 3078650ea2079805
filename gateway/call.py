"""One call on its way through the gateway: the only object with a life. Steps fill it in, `Pipeline.close` ends it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from gateway import wire
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
    LeftOut,
    Outcome,
    RoutePlan,
    Sizes,
    UpstreamError,
    Usage,
    Warmth,
    WhyUntrimmed,
    recall_tool,
)
from gateway.cache_hints import NO_HINTS, CacheHints
from gateway.money import Reservation, read_usage
from gateway.session import SessionState, chars_up_to

_NOTHING = Sizes(original=0, trimmed=0, output=0)
RECALL_CHARS = wire.length(wire.dumps(recall_tool()).decode()) + 1
RECALL_TOKENS = 61
"""What the definition of the tool adds to a prompt; the tokens are those of o200k."""


@dataclass(slots=True)
class Exchange:
    """One upstream call. Whatever becomes of it, what it brought can be read here at any moment: `read` is a whole
    answer, `meter` watches a stream. Moments are `time.monotonic`, in seconds.

    `billable`: the upstream may charge for it. It does not where it was never reached or answered with an error.
    `rejected` says why a verifier did not take the answer. `round` counts the recalls that led to this one: 0 where the
    deployment was sent the call as it is. `recalled_chars` is what they have added to the prompt.
    """

    deployment: Deployment
    again: bool
    round: int = 0
    recalled_chars: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    result: str = "ok"
    status: int | None = None
    billable: bool = True
    rejected: str | None = None
    first_token_at: float | None = None
    read: wire.AnswerParts | None = None
    meter: wire.StreamMeter | None = None
    _reported: Usage | None = None

    def succeed(self) -> None:
        self.ended, self.status = time.monotonic(), 200

    def fail(self, error: UpstreamError) -> None:
        self.ended, self.status = time.monotonic(), error.status
        self.result = wire.upstream_code(error)
        self.billable = error.fault not in ("request", "connect", "status")

    def abort(self) -> None:
        """The caller left or the deadline passed while the upstream worked."""
        self.ended, self.result = time.monotonic(), "aborted"

    def reject(self, reason: str) -> None:
        self.result, self.rejected = "rejected", reason

    @property
    def usage(self) -> Usage | None:
        """What the upstream reported, `None` where it has not."""
        if self.read is not None:
            self._reported = self._reported or read_usage(self.read.usage)
            return self._reported
        return read_usage(self.meter.usage) if self.meter is not None else None

    @property
    def finish_reason(self) -> str | None:
        source = self.read or self.meter
        return source.finish_reason if source is not None else None

    @property
    def service_tier(self) -> str | None:
        source = self.read or self.meter
        return source.service_tier if source is not None else None

    @property
    def output_chars(self) -> int:
        """Characters of the answer so far, as bytes of UTF-8: text, reasoning and calls."""
        if self.read is not None:
            calls = [call.name + call.arguments for call in self.read.tool_calls]
            return sum(map(wire.length, (self.read.text, *calls)))
        return self.meter.characters if self.meter is not None else 0

    def as_attempt(self, usage: Usage | None, cost_usd: float | None) -> Attempt:
        return Attempt(
            deployment=self.deployment.name,
            tier=self.deployment.tier,
            result=self.result,
            seconds=(self.ended or time.monotonic()) - self.began,
            status=self.status,
            usage=usage,
            cost_usd=cost_usd,
            retry=self.again,
        )


class Closable(Protocol):
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller: a whole body, or the events of a stream (each item one or more whole ones).

    `upstream` is the stream below the events. Closing it is what ends the upstream call, also where nobody has begun
    to read the events (closing a generator that never ran does nothing).
    """

    body: bytes | None = None
    events: AsyncGenerator[bytes, None] | None = None
    upstream: Closable | None = None

    async def close(self) -> None:
        """End the upstream call if it still runs."""
        for stream in (self.events, self.upstream):
            if stream is not None:
                await stream.aclose()


@dataclass(slots=True)
class Call:
    """`started` is Unix time, `began` is `time.monotonic`, `deadline` is the loop's time; all in seconds.

    The request stays as the caller sent it; `edits` lead to the trimmed body, and `untrimmed` says why that is not
    sent. `exchanges` are the upstream calls so far, `answering` the one whose answer the caller gets. `recall`: the
    model may ask for what was left out of the trimmed body, which is in `stash`; `recalls` is how often it did, in
    `rounds` answers.
    """

    id: str
    request: ChatRequest
    caller: Caller
    session: str
    conversation: str
    memory: SessionState
    warmth: Warmth
    started: float
    began: float
    deadline: float
    asked: Asked
    recall: bool = False
    cold_at: int = 0
    edits: tuple[Edit, ...] = ()
    stash: tuple[LeftOut, ...] = ()
    trimmed_body: Json | None = None
    untrimmed: WhyUntrimmed | None = None
    marks: wire.CacheMarks | None = None
    cache_hints: CacheHints = NO_HINTS
    prompt_chars: int = 0
    removed_chars: int = 0
    sizes: Sizes = _NOTHING
    complexity: Complexity | None = None
    plan: RoutePlan | None = None
    advised: RoutePlan | None = None
    reservation: Reservation | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    answering: Exchange | None = None
    reply: Reply | None = None
    outcome: Outcome | None = None
    record: CallRecord | None = None
    recalls: int = 0
    rounds: int = 0

    def begin(self, deployment: Deployment) -> Exchange:
        """A new exchange with a deployment."""
        again = any(exchange.deployment.name == deployment.name for exchange in self.exchanges)
        exchange = Exchange(deployment, again)
        self.exchanges.append(exchange)
        return exchange

    def go_on(self, before: Exchange, recalled_chars: int) -> Exchange:
        """A new exchange with the deployment that has just asked for what was left out, and is told it."""
        chars = before.recalled_chars + recalled_chars
        exchange = Exchange(before.deployment, again=False, round=before.round + 1, recalled_chars=chars)
        self.exchanges.append(exchange)
        return exchange

    def repeat(self, before: Exchange) -> Exchange:
        """A new exchange that is sent what `before` was sent."""
        exchange = Exchange(before.deployment, again=True, round=before.round, recalled_chars=before.recalled_chars)
        self.exchanges.append(exchange)
        return exchange

    @property
    def attempts(self) -> int:
        """How many exchanges there were, without those that only go on after a recall."""
        return sum(1 for exchange in self.exchanges if exchange.round == 0 or exchange.again)

    @property
    def chain(self) -> list[Exchange]:
        """The exchanges that led to the answer: the answering one, and before it those whose recalls were answered.
        Empty while nothing answers."""
        chain: list[Exchange] = []
        after = True
        for exchange in reversed(self.exchanges):
            after = after and exchange is not self.answering
            if after:
                continue
            chain.insert(0, exchange)
            if exchange.round == 0:
                break
        return chain

    @property
    def serving(self) -> Deployment | None:
        """The deployment that answers, or that was tried last."""
        exchange = self.answering or (self.exchanges[-1] if self.exchanges else None)
        return exchange.deployment if exchange is not None else None

    @property
    def sends_trimmed(self) -> bool:
        """Whether the body that is sent differs from the caller's."""
        return (bool(self.edits) or self.recall) and self.plan is not None and self.plan.trimmed

    @property
    def offers_recall(self) -> bool:
        """Whether the body that is sent holds the tool by which the model can ask for what was left out."""
        return self.recall and self.sends_trimmed

    @property
    def body_for_upstream(self) -> Json:
        """The body the plan sends: trimmed, or as the caller sent it."""
        if not self.sends_trimmed or self.trimmed_body is None:
            return self.request.body
        if not self.recall:
            return self.trimmed_body
        return {**self.trimmed_body, "tools": [*self.trimmed_body["tools"], recall_tool()]}

    def body_for(self, deployment: Deployment) -> Json:
        """The body for an attempt at `deployment`: the plan's, and what makes this provider cache it."""
        return self.cache_hints.added_to(self.body_for_upstream, deployment)

    @property
    def removed_tokens(self) -> int:
        """Tokens that the body sent lacks against the caller's, less those that the tool adds."""
        return self.trimmed_tokens if self.sends_trimmed else 0

    @property
    def trimmed_tokens(self) -> int:
        """Tokens that the trimmed body lacks, sent or not. Negative where the tool is more than was cut."""
        return sum(edit.tokens_removed for edit in self.edits) - (RECALL_TOKENS if self.recall else 0)

    @property
    def old_cut(self) -> int:
        """Those of them that came out of messages which the conversation's previous request had too. The tool stands
        before all messages."""
        memory = self.memory
        cut = sum(edit.tokens_removed for edit in self.edits if edit.message < memory.messages)
        return cut - (RECALL_TOKENS if self.recall and memory.messages else 0)

    @property
    def cache_reach(self) -> int | None:
        """Tokens of the untrimmed body that the caller's marks reach, where they stand still while the conversation
        goes on; `None` where they move along with it, or there are none."""
        if self.marks is None or self.marks.last >= self.request.messages - 2:
            return None
        return self.tokens_up_to(self.marks.last)

    def tokens_up_to(self, last: int) -> int:
        """Tokens of the untrimmed body up to and with message `last`, by its share of the characters."""
        chars = self.prompt_chars
        return round(chars_up_to(self.request, chars, last) / max(1, chars) * self.sizes.original)
