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
    Deployment,
    Event,
    Failed,
    RequestEnded,
    RoutePlan,
    Savings,
    Unavailable,
    Usage,
)
from gateway.call import Call
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
from gateway.session import Sessions, max_output

_UNBOUNDED_OUTPUT = 16_384  # tokens reserved for an answer where neither the caller nor the model sets a limit

log = logging.getLogger("thriftgate.accounts")


@dataclass(frozen=True, slots=True)
class Accounts:
    """Reserves before, settles after."""

    catalog: Catalog
    budgets: Budgets
    ledger: SqliteLedger
    sessions: Sessions
    publish: Callable[[Event], None]
    clock: Callable[[], float]

    def reserve(self, call: Call) -> None:
        """Hold the worst case of the plan's dearest deployment; those that do not fit the budget leave the plan.

        Raises `BudgetExhausted` when none fits.
        """
        assert call.plan is not None  # noqa: S101  # the pipeline routes before it reserves
        if call.caller.budget is None:
            return
        worst = {d: self._worst_case(call, d) for d in call.plan.deployments}
        fitting = list(call.plan.deployments)
        while True:
            dearest = max(fitting, key=lambda d: worst[d] or 0.0)
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
        limit = max_output(call.request)
        longest = deployment.max_output or _UNBOUNDED_OUTPUT
        return worst_case(
            self.catalog.tariff(deployment), call.sizes.original, min(limit, longest) if limit else longest
        )

    async def close(self, call: Call) -> None:
        """Price, record, settle, remember, tell. Raises `Unavailable` where the ledger cannot take the record: what
        is not on record is not acknowledged."""
        now = self.clock()
        call.attempts[:] = [self._priced(call, number, attempt) for number, attempt in enumerate(call.attempts)]
        record = call.record = self._record(call)
        try:
            await self.ledger.write(record)
        except LedgerError as error:
            log.critical("request %s is not on record: %s", record.id, error)
            raise Unavailable("The call could not be put on record.", code="ledger_unavailable") from error
        finally:
            if call.reservation is not None:
                self.budgets.settle(call.reservation, record.cost_usd)
            self.publish(RequestEnded(at=now, record=record))
        await self._remember(call, record, now)

    def _priced(self, call: Call, number: int, attempt: Attempt) -> Attempt:
        """An attempt with its usage and cost. One that got an answer without a usage report, or broke off after it had
        reached the upstream, is charged by estimate; one that got an error status or no connection cost nothing."""
        answers = number == call.answering
        usage = attempt.usage
        if answers:
            usage = call.usage = call.usage or self.estimate(call)
            if isinstance(call.outcome, Failed):
                attempt = replace(attempt, result=call.outcome.code)
            elif isinstance(call.outcome, Cancelled):
                attempt = replace(attempt, result="aborted")
        if usage is None:
            return replace(attempt, cost_usd=0.0)
        served = _deployment_named(call, attempt.deployment)
        tariff = self.catalog.tariff(served, call.service_tier if answers else None) if served is not None else None
        return replace(attempt, usage=usage, cost_usd=cost(usage, tariff, call.started))

    def estimate(self, call: Call) -> Usage:
        """What an attempt used where the upstream did not say."""
        sent = call.sizes.trimmed if call.trimmed else call.sizes.original
        return estimate_usage(prompt_tokens=sent, output_chars=call.output_chars)

    def _record(self, call: Call) -> CallRecord:
        assert call.outcome is not None  # noqa: S101  # `Pipeline.close` sets it
        ended = time.monotonic()
        serving, plan = call.serving, call.plan
        removed = sum(edit.tokens_removed for edit in call.edits) if call.trimmed else 0
        costs = [attempt.cost_usd for attempt in call.attempts]
        sent = call.usage.input if call.usage is not None else (call.sizes.original - removed if plan else None)
        return CallRecord(
            id=call.id,
            started=call.started,
            duration=ended - call.began,
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
            attempts=tuple(call.attempts),
            usage=call.usage,
            cost_usd=_total(costs),
            price_source=serving.price_source if serving else "unknown",
            savings=self._savings(call),
            baseline_model=call.asked.price_model,
            tokens_before=sent + removed if sent is not None else None,
            tokens_after=sent,
            trimmed_by=_by_transform(call) if removed else {},
            time_to_first_token=call.first_token_at - call.began if call.first_token_at is not None else None,
            overhead=call.sent_at - call.began if call.sent_at is not None else None,
            budget=call.caller.budget,
        )

    def _savings(self, call: Call) -> Savings:
        if call.serving is None or call.usage is None:
            return Savings()
        edits = call.edits if call.trimmed else ()
        old = sum(edit.tokens_removed for edit in edits if edit.message < call.memory.messages)
        others = [attempt.cost_usd for number, attempt in enumerate(call.attempts) if number != call.answering]
        return savings(
            Bill(
                asked=self._asked_tariff(call.asked),
                asked_model=call.asked.price_model,
                served=self.catalog.tariff(call.serving, call.service_tier),
                served_model=call.serving.model,
                usage=call.usage,
                original=call.sizes.original,
                removed_old=old,
                removed_new=sum(edit.tokens_removed for edit in edits) - old,
                warmth=call.warmth,
                cache_marked=wire.asks_for_caching(call.request.body),
                failed_usd=_total(others),
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

    async def _remember(self, call: Call, record: CallRecord, now: float) -> None:
        """What the session's next request may build on. A call that brought no answer teaches nothing."""
        usage = call.usage
        if call.serving is None or usage is None or call.first_token_at is None:
            return
        memory = replace(
            call.memory,
            deployment=call.serving.name,
            model=call.serving.model,
            tier=call.serving.tier.value,
            at=now,
            messages=call.request.messages,
            sent_tokens=usage.input,
            original_tokens=record.tokens_before or usage.input,
            output_tokens=call.memory.smoothed_output(usage.output),
        )
        if not usage.estimated and not wire.has_media(call.request.body):
            chars = max(1, call.prompt_chars - (call.removed_chars if call.trimmed else 0))
            memory = replace(memory, tokens_per_char=usage.input / chars)
        await self.sessions.remember(call.session, memory)


def _cheaper(plan: RoutePlan, fitting: tuple[Deployment, ...]) -> RoutePlan:
    left_out = len(plan.deployments) - len(fitting)
    return replace(
        plan,
        deployments=fitting,
        tier=fitting[0].tier,
        reason=f"{plan.reason}; {left_out} dearer left out, the budget does not cover them",
    )


def _deployment_named(call: Call, name: str) -> Deployment | None:
    known = (*((call.serving,) if call.serving else ()), *(call.plan.deployments if call.plan else ()))
    return next((deployment for deployment in known if deployment.name == name), None)


def _total(costs: list[float | None]) -> float | None:
    """The sum, unknown as soon as one of them is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _by_transform(call: Call) -> dict[str, int]:
    removed: dict[str, int] = {}
    for edit in call.edits:
        removed[edit.transform] = removed.get(edit.transform, 0) + edit.tokens_removed
    return removed
