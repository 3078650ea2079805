from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.api import Attempt, BudgetExhausted, BudgetView, CallRecord, Tier
from gateway.money import BudgetRule, Budgets, Reservation, SqliteLedger, Totals, period_around

Call = Callable[..., CallRecord]

DAY = BudgetRule("team", 1.0, "day")


async def started(ledger: SqliteLedger, clock, *rules: BudgetRule) -> Budgets:
    budgets = Budgets(ledger, rules, clock)
    await budgets.start()
    return budgets


async def test_no_budget_no_limit(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock)
    assert budgets.view(None) == BudgetView()
    reservation = budgets.reserve(None, 1_000.0)
    assert reservation.budget is None
    budgets.settle(reservation, 1_000.0)


async def test_reserve_and_settle(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    reservation = budgets.reserve("team", 0.75)
    assert budgets.view("team") == BudgetView("team", 0.25, 0.25)
    budgets.settle(reservation, 0.25)
    assert budgets.view("team") == BudgetView("team", 0.75, 0.75)
    [status] = budgets.status()
    assert (status.spent_usd, status.reserved_usd, status.unknown_calls) == (0.25, 0.0, 0)


async def test_what_does_not_fit_is_refused_with_the_reason(ledger: SqliteLedger, clock) -> None:
    clock.now = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
    budgets = await started(ledger, clock, DAY)
    budgets.settle(budgets.reserve("team", 0.5), 0.4)
    with pytest.raises(BudgetExhausted) as refused:
        budgets.reserve("team", 0.7)
    assert refused.value.message == (
        "budget 'team' of $1.00 a day has $0.60 left, and this call may cost $0.70; it renews at 2026-11-23 00:00 UTC"
    )
    assert refused.value.status == 429
    assert refused.value.should_retry is False
    budgets.settle(budgets.reserve("team", 0.6), 0.6)
    with pytest.raises(BudgetExhausted, match=r"\$1\.00 a day is used up \(\$1\.00 spent or held\)"):
        budgets.reserve("team", 0.0)


async def test_free_models_go_on_where_the_budget_says_so(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, BudgetRule("team", 1.0, "total", "free_only"))
    assert not budgets.view("team").free_only
    budgets.settle(budgets.reserve("team", 1.0), 1.0)
    assert budgets.view("team") == BudgetView("team", 0.0, 0.0, free_only=True)
    budgets.settle(budgets.reserve("team", 0.0), 0.0)
    for worst_case in (0.01, None):
        with pytest.raises(BudgetExhausted, match=r"in total is used up .*does not renew"):
            budgets.reserve("team", worst_case)


async def test_an_unknown_price_passes_and_is_counted_apart(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    reservation = budgets.reserve("team", None)
    assert budgets.view("team").remaining_usd == 1.0
    budgets.settle(reservation, None)
    [status] = budgets.status()
    assert (status.spent_usd, status.unknown_calls) == (0.0, 1)


async def test_an_unknown_cost_is_charged_as_reserved(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    budgets.settle(budgets.reserve("team", 0.5), None)
    [status] = budgets.status()
    assert (status.spent_usd, status.unknown_calls) == (0.5, 0)


async def test_a_reservation_is_settled_once(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    for name in ("team", None):
        reservation = budgets.reserve(name, 0.1)
        budgets.settle(reservation, 0.1)
        with pytest.raises(ValueError, match="settled before"):
            budgets.settle(reservation, 0.1)
    assert budgets.view("team").remaining_usd == pytest.approx(0.9)


async def test_a_new_period_begins_at_midnight(ledger: SqliteLedger, clock) -> None:
    clock.now = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC).timestamp()
    budgets = await started(ledger, clock, DAY)
    budgets.settle(budgets.reserve("team", 0.5), 0.5)
    across = budgets.reserve("team", 0.5)
    clock.now += 1
    assert budgets.view("team").remaining_usd == 1.0
    budgets.settle(across, 0.5)  # belongs to yesterday
    assert budgets.view("team").remaining_usd == 1.0
    clock.now -= 1  # a clock that is set back gives nothing out twice
    budgets.settle(budgets.reserve("team", 1.0), 1.0)
    assert budgets.view("team").remaining_usd == 0.0


@pytest.mark.parametrize(
    ("period", "now", "starts", "renews"),
    [
        ("day", (2026, 2, 28, 12), (2026, 2, 28), (2026, 3, 1)),
        ("month", (2026, 1, 31, 23), (2026, 1, 1), (2026, 2, 1)),
        ("month", (2026, 12, 1, 0), (2026, 12, 1), (2027, 1, 1)),
        ("month", (2028, 2, 29, 5), (2028, 2, 1), (2028, 3, 1)),
    ],
)
def test_periods_are_those_of_utc(period, now, starts, renews) -> None:
    moment = datetime(*now, tzinfo=UTC).timestamp()
    expected = tuple(datetime(*day, tzinfo=UTC).timestamp() for day in (starts, renews))
    assert period_around(period, moment) == expected


async def test_a_restart_remembers_the_running_period(ledger: SqliteLedger, call: Call, clock) -> None:
    clock.now = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()
    tried = (Attempt("m", Tier.WEAK, "ok", 1.0),)
    today, yesterday = clock.now - 3600, clock.now - 86_400
    await ledger.write(call("a", started=today, cost_usd=0.25, attempts=tried, budget="team"))
    await ledger.write(call("b", started=today, cost_usd=None, attempts=tried, budget="team"))
    await ledger.write(call("c", started=today, cost_usd=0.5, attempts=tried, budget="other"))
    await ledger.write(call("d", started=yesterday, cost_usd=0.5, attempts=tried, budget="team"))
    budgets = await started(ledger, clock, DAY, BudgetRule("all", 1.0, "total"))
    day, total = budgets.status()
    assert (day.spent_usd, day.unknown_calls) == (0.25, 1)
    assert (total.spent_usd, total.unknown_calls) == (0.0, 0)
    assert total.renews is None


async def test_a_reload_keeps_spend_and_reservations(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    held = budgets.reserve("team", 0.5)
    await budgets.reload([BudgetRule("team", 2.0, "day"), BudgetRule("new", 3.0, "month")])
    assert budgets.view("team").remaining_usd == 1.5
    assert budgets.view("new").remaining_usd == 3.0
    budgets.settle(held, 0.5)
    assert budgets.view("team").remaining_usd == 1.5


async def test_a_call_under_way_settles_with_a_budget_that_a_reload_took_away(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    held = budgets.reserve("team", 0.5)
    await budgets.reload([])
    assert budgets.status() == ()
    budgets.settle(held, 0.25)
    await budgets.reload([DAY])
    assert budgets.status()[0].spent_usd == 0.25


async def test_concurrent_calls_never_take_more_than_there_is(ledger: SqliteLedger, clock) -> None:
    budgets = await started(ledger, clock, DAY)
    taken: list[Reservation] = []

    async def one() -> None:
        await asyncio.sleep(0)
        reservation = budgets.reserve("team", 0.125)
        taken.append(reservation)
        await asyncio.sleep(0)
        budgets.settle(reservation, 0.125)

    results = await asyncio.gather(*(one() for _ in range(50)), return_exceptions=True)
    assert len(taken) == 8
    assert sum(isinstance(result, BudgetExhausted) for result in results) == 42
    assert budgets.view("team").remaining_usd == 0.0


class _Nothing:
    """A ledger without a past."""

    async def totals(self, since: float, *, budget: str | None = None, caller: str | None = None) -> Totals:
        return Totals(**dict.fromkeys((field.name for field in fields(Totals)), 0))


# Eighths of a dollar add up without rounding, so that equality can be asked for.
eighths = st.integers(0, 32).map(lambda n: n / 8)


class BudgetLife(RuleBasedStateMachine):
    """Any order of reserving, settling and days that pass, against sums kept by hand."""

    held_open = Bundle("held_open")

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
        self.budgets = Budgets(_Nothing(), [BudgetRule("team", 10.0, "day")], lambda: self.now)
        asyncio.run(self.budgets.start())
        self.day, self.spent, self.held = 0, 0.0, {}

    @rule(target=held_open, worst_case=st.none() | eighths)
    def reserve(self, worst_case: float | None):
        left = 10.0 - self.spent - sum(self.held.values())
        try:
            reservation = self.budgets.reserve("team", worst_case)
        except BudgetExhausted:
            assert left <= 0 or (worst_case or 0) > left
            return None
        assert left > 0
        assert (worst_case or 0) <= left
        self.held[reservation.number] = worst_case or 0.0
        return reservation, self.day

    @rule(held=consumes(held_open), share=st.sampled_from([0.0, 0.5, 1.0, None]))
    def settle(self, held, share: float | None) -> None:
        if held is None:
            return
        reservation, day = held
        worst = reservation.worst_case_usd
        actual = None if share is None or worst is None else worst * share
        self.budgets.settle(reservation, actual)
        if day == self.day:
            reserved = self.held.pop(reservation.number)
            self.spent += reserved if actual is None else actual
        with pytest.raises(ValueError, match="settled before"):
            self.budgets.settle(reservation, actual)

    @rule()
    def tomorrow(self) -> None:
        self.now += 86_400
        self.day, self.spent, self.held = self.day + 1, 0.0, {}

    @invariant()
    def adds_up(self) -> None:
        [status] = self.budgets.status()
        assert status.spent_usd == self.spent
        assert status.reserved_usd == sum(self.held.values())
        assert status.spent_usd + status.reserved_usd <= 10.0
        assert self.budgets.view("team").remaining_usd == 10.0 - self.spent - sum(self.held.values())


TestBudgetLife = BudgetLife.TestCase
TestBudgetLife.settings = settings(max_examples=30, stateful_step_count=25)
