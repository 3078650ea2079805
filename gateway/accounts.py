"""The money of one call: what it may cost is reserved before it is sent; what it did cost is priced, put on record,
settled and only then told to the listeners."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway import wire
from gateway.api import (
    Asked,
    Attempt,
    BudgetExhausted,
    CallRecord,
    Cancelled,
    Capability,
    Deployment,
    Event,
    Failed,
    RequestEnded,
    RoutePlan,
    Savings,
    Unavailable,
    Untrimmed,
    Usage,
)
from gateway.call import Call, Exchange
from gateway.money import (
    Bill,
    Budgets,
    Catalog,
    LedgerError,
    SqliteLedger,
    Tariff,
    cost,
    estimate_usage,
    savings,
    worst_case,
)
from gateway.session import CHARS_PER_TOKEN, Sessions, SessionState, chars_up_to, max_output, rate_of

_UNBOUNDED_OUTPUT = 16_384  # tokens reserved for an answer where neither the caller nor the model sets a limit
_PROBE_SECONDS = 5.0  # how often a call is let through to see whether a failed ledger takes records again

log = logging.getLogger("thriftgate.accounts")


@dataclass(slots=True)
class LedgerHealth:
    """Whether the ledger takes records. While it does not, no money is spent that could not be recorded."""

    clock: Callable[[], float]
    failure: str | None = None
    _next_probe: float = 0.0

    def check(self) -> None:
        """Raises `Unavailable` while the ledger is failing, but for one call every few seconds that finds out."""
        if self.failure is None:
            return
        now = self.clock()
        if now < self._next_probe:
            raise ledger_unavailable()
        self._next_probe = now + _PROBE_SECONDS

    def failed(self, error: LedgerError) -> None:
        self.failure = str(error)
        self._next_probe = self.clock() + _PROBE_SECONDS

    def works(self) -> None:
        self.failure = None


def ledger_unavailable() -> Unavailable:
    """An answer was, or would be, paid for but could not be put on record. Asking again at once would pay again."""
    return Unavailable("The call could not be put on record.", code="ledger_unavailable", should_retry=False)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Reserves before, settles after. `tries` is how many answers one call may have to pay for."""

    catalog: Catalog
    budgets: Budgets
    ledger: SqliteLedger
    health: LedgerHealth
    sessions: Sessions
    tries: int
    publish: Callable[[Event], None]
    clock: Callable[[], float]

    def reserve(self, call: Call) -> None:
        """Hold the worst case of the plan's dearest deployment; those that do not fit the budget leave the plan.

        Raises `BudgetExhausted` when none fits, and `Unavailable` while the ledger takes no records.
        """
        self.health.check()
        if call.caller.budget is None:
            return
        assert call.plan is not None  # noqa: S101  # the pipeline routes before it reserves
        worst = {deployment: self._worst_case(call, deployment) for deployment in call.plan.deployments}
        fitting = list(call.plan.deployments)
        while True:
            # Of an unknown price nothing is held, but it is no free one.
            dearest = max(fitting, key=lambda deployment: (worst[deployment] or 0.0, worst[deployment] is None))
            try:
                call.reservation = self.budgets.reserve(call.caller.budget, worst[dearest])
                break
            except BudgetExhausted:
                fitting.remove(dearest)
                if not fitting:
                    raise
        if len(fitting) < len(call.plan.deployments):
            call.plan = _cheaper(call.plan, tuple(fitting))

    def _worst_case(self, call: Call, deployment: Deployment) -> float | None:
        request = call.request
        limits = [limit for limit in (max_output(request), deployment.max_output) if limit is not None]
        longest = min(limits, default=_UNBOUNDED_OUTPUT) * wire.choices(request.body)
        audio = Capability.AUDIO in wire.needs(request.body)
        # Which of the two serves is the upstream's choice.
        tariffs = (self.catalog.tariff(deployment), self.catalog.tariff(deployment, wire.service_tier(request.body)))
        prompt = max(call.sizes.original, call.sizes.trimmed)
        worst = [worst_case(tariff, prompt, longest, audio=audio) for tariff in tariffs]
        known = [one for one in worst if one is not None]
        return max(known) * (self.tries + call.offers_recall) if known else None

    def covers_recall(self, call: Call) -> bool:
        """Whether what is held for a call covers one more answer of the deployment asked last. One is held for beside
        the tries, and what the answers so far cost is mostly far below the worst case."""
        held = call.reservation.worst_case_usd if call.reservation is not None else None
        worst = self._worst_case(call, call.exchanges[-1].deployment) if held is not None else None
        if held is None or worst is None:
            return True
        spent = _total([self._priced(call, exchange).cost_usd for exchange in call.exchanges])
        return (spent or 0.0) + worst / (self.tries + call.offers_recall) <= held

    async def close(self, call: Call) -> None:
        """Price, record, settle, tell, remember. Raises `Unavailable` where the ledger cannot take the record: what
        is not on record is not acknowledged. Whatever fails, the reservation is given back."""
        spent: float | None = None  # unknown: settled as it was reserved
        try:
            record = call.record = self._record(call)
            spent = record.cost_usd
            try:
                await self.ledger.write(record)
            finally:
                self.publish(RequestEnded(at=self.clock(), record=record))
        except LedgerError as error:
            self.health.failed(error)
            log.critical("request %s is not on record: %s", call.id, error)
            raise ledger_unavailable() from error
        finally:
            if call.reservation is not None:
                self.budgets.settle(call.reservation, spent)
        self.health.works()
        await self._remember(call, record)

    def _record(self, call: Call) -> CallRecord:
        assert call.outcome is not None  # noqa: S101  # `Pipeline.close` sets it
        attempts = tuple(self._priced(call, exchange) for exchange in call.exchanges)
        answer = next((a for a, x in zip(attempts, call.exchanges, strict=True) if x is call.answering), None)
        usage = answer.usage if answer is not None else None
        serving, plan, removed = call.serving, call.plan, call.removed_tokens
        prompt = self._prompt(call, attempts)
        sent = prompt.input if prompt is not None else (call.sizes.original - removed if plan else None)
        first = call.answering.first_token_at if call.answering is not None else None
        return CallRecord(
            id=call.id,
            started=call.started,
            duration=time.monotonic() - call.began,
            outcome=call.outcome,
            caller=call.caller.name,
            session=call.session,
            client=call.request.client,
            dialect=call.request.dialect,
            stream=call.request.stream,
            asked=call.asked.name,
            deployment=serving.name if serving else None,
            model=serving.model if serving else None,
            provider=serving.provider if serving else None,
            tier=serving.tier if serving else None,
            routed_tier=plan.tier if plan else None,
            mode="observe" if call.advised is not None else "enforce",
            complexity=call.complexity,
            reason=plan.reason if plan else "",
            considered=plan.considered if plan else (),
            attempts=attempts,
            usage=usage,
            cost_usd=_total([attempt.cost_usd for attempt in attempts]),
            price_source=serving.price_source if serving else "unknown",
            savings=self._savings(call, attempts, usage) if usage is not None else Savings(),
            baseline_model=call.asked.price_model,
            tokens_before=sent + removed if sent is not None else None,
            tokens_after=sent,
            trimmed_by=wire.by_transform(call.edits) if call.sends_trimmed else {},
            time_to_first_token=first - call.began if first is not None else None,
            overhead=call.exchanges[0].began - call.began if call.exchanges else None,
            budget=call.caller.budget,
            recalls=call.recalls,
        )

    def _prompt(self, call: Call, attempts: tuple[Attempt, ...]) -> Usage | None:
        """The usage of the prompt as the caller's history makes it: of the first of the exchanges that led to the
        answer. The later ones have what was recalled in theirs, and no later request of the conversation has."""
        opening = next(iter(call.chain), None)
        found = (a for a, x in zip(attempts, call.exchanges, strict=True) if x is opening)
        first = next(found, None)
        return first.usage if first is not None else None

    def _priced(self, call: Call, exchange: Exchange) -> Attempt:
        """An exchange with its usage and cost. One that brought no usage report, or broke off after it had reached the
        upstream, is charged by estimate; one that got an error status or no connection cost nothing."""
        if exchange is call.answering:
            if isinstance(call.outcome, Failed):
                exchange.result = call.outcome.code
            elif isinstance(call.outcome, Cancelled):
                exchange.result = "aborted"
        usage = exchange.usage or (self._estimate(call, exchange) if exchange.billable else None)
        if usage is None:
            return exchange.as_attempt(None, 0.0)
        tariff = self.catalog.tariff(exchange.deployment, exchange.service_tier)
        return exchange.as_attempt(usage, cost(usage, tariff, call.started))

    def _estimate(self, call: Call, exchange: Exchange) -> Usage:
        sent = call.sizes.trimmed if call.sends_trimmed else call.sizes.original
        recalled = round(exchange.recalled_chars / CHARS_PER_TOKEN)
        return estimate_usage(prompt_tokens=sent + recalled, output_chars=exchange.output_chars)

    def _savings(self, call: Call, attempts: tuple[Attempt, ...], usage: Usage) -> Savings:
        assert call.answering is not None  # noqa: S101  # there is a usage
        serving, memory, chars = call.answering.deployment, call.memory, call.prompt_chars
        removed = call.removed_tokens
        old = call.old_cut if call.sends_trimmed else 0
        marks = call.marks
        tariff = self.catalog.tariff(serving, call.answering.service_tier)
        chain, prompt = call.chain, self._prompt(call, attempts)
        led = [a.cost_usd for a, x in zip(attempts, call.exchanges, strict=True) if x in chain]
        others = [a.cost_usd for a, x in zip(attempts, call.exchanges, strict=True) if x not in chain]
        recalls_usd: float | None = 0.0
        if len(chain) > 1 and prompt is not None:
            usage = replace(prompt, output=usage.output, reasoning=usage.reasoning, audio_output=usage.audio_output)
            recalls_usd = _less(_total(led), cost(usage, tariff, call.started))
        return savings(
            Bill(
                asked=self._asked_tariff(call.asked),
                asked_model=call.asked.price_model,
                served=tariff,
                served_model=serving.model,
                usage=usage,
                removed_old=old,
                removed_new=removed - old,
                warmth=call.warmth,
                repeated=min(1.0, memory.chars / chars) if chars else 0.0,
                marked=chars_up_to(call.request, chars, marks.last) / chars if marks and chars else 0.0,
                marked_seconds=marks.seconds if marks else 0.0,
                marked_here=call.cache_hints.marks(serving),
                # A history that got shorter was rewritten by its owner: what that does to the cache is no one's saving.
                prefix_kept=call.request.messages < memory.messages
                or old == memory.original_tokens - memory.sent_tokens,
                failed_usd=_total(others),
                recalls_usd=recalls_usd,
                at=call.started,
            )
        )

    def _asked_tariff(self, asked: Asked) -> Tariff | None:
        if asked.kind == "deployment" and asked.deployments:
            return self.catalog.tariff(asked.deployments[0])
        facts = self.catalog.lookup(asked.price_model) if asked.price_model else None
        if facts is not None and facts.price == asked.price:
            return facts.tariff
        return Tariff.flat(asked.price) if asked.price is not None else None

    async def _remember(self, call: Call, record: CallRecord) -> None:
        """What the session's next request may build on. A call that brought no answer teaches nothing."""
        usage, answering, prompt = record.usage, call.answering, self._prompt(call, record.attempts)
        if usage is None or answering is None or prompt is None:
            return
        rate = None
        if not prompt.estimated and not wire.has_media(call.request.body):
            # The rate of what is left of the text, also where the noise was sent with it.
            noise = call.trimmed_tokens - call.removed_tokens
            rate = rate_of(max(0, prompt.input - noise), call.prompt_chars - call.removed_chars)
        memory = replace(
            self._watched(call, prompt),
            deployment=answering.deployment.name,
            model=answering.deployment.model,
            tier=answering.deployment.tier.value,
            at=self.clock(),
            messages=call.request.messages,
            chars=call.prompt_chars,
            sent_tokens=prompt.input,
            original_tokens=record.tokens_before or prompt.input,
            tokens_per_char=rate or call.memory.tokens_per_char,
            output_tokens=call.memory.smoothed_output(usage.output),
            cold_at=call.cold_at,
        )
        try:
            await self.sessions.remember(call.conversation, memory)
        except Exception:  # isolation: the answer is complete and on record, whatever the memory does
            log.exception("session %s could not be remembered", call.session)

    def _watched(self, call: Call, usage: Usage) -> SessionState:
        """What the call's report says of how the provider's cache takes trimmed prompts."""
        memory, answering = call.memory, call.answering
        assert answering is not None  # noqa: S101  # there is a usage
        same_beginning = (
            memory.surely_warm(answering.deployment.name, call.started)
            and memory.continued_by(call.request, call.prompt_chars)
            and (call.old_cut if call.sends_trimmed else 0) == memory.original_tokens - memory.sent_tokens
        )
        if usage.estimated or not same_beginning:
            return memory
        reach = call.cache_reach
        expected = memory.sent_tokens if reach is None else min(reach, memory.sent_tokens)
        watched = memory.watched(usage.cached, expected, trimmed=call.sends_trimmed)
        if watched.untrimmed and not memory.untrimmed:
            self.publish(Untrimmed(at=self.clock(), id=call.id, reason="cache_misses"))
        return watched


def _cheaper(plan: RoutePlan, fitting: tuple[Deployment, ...]) -> RoutePlan:
    left_out = len(plan.deployments) - len(fitting)
    return replace(
        plan,
        deployments=fitting,
        tier=fitting[0].tier,
        reason=f"{plan.reason}; {left_out} dearer left out, the budget does not cover them",
    )


def _total(costs: list[float | None]) -> float | None:
    """The sum, unknown as soon as one of them is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _less(more: float | None, by: float | None) -> float | None:
    return None if more is None or by is None else more - by
