"""Budgets: what a call may cost is reserved before it is sent, what it did cost is settled after.

A budget lives in this process; the ledger is what it is rebuilt from at the start. Check and reservation happen
without giving way to another task, so concurrent calls can never reserve more than is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from gateway.api import BudgetExhausted, BudgetView
from gateway.money.totals import Totals

Period = Literal["day", "month", "total"]


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """At most `limit_usd` per `period` (days and months of UTC). `on_exhausted`: refuse everything, or go on with free
    models only."""

    name: str
    limit_usd: float
    period: Period = "month"
    on_exhausted: Literal["refuse", "free_only"] = "refuse"


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How a budget stands. `unknown_calls` cost something that nobody knows, which `spent_usd` therefore lacks.
    `starts` and `renews` are Unix times; a budget in total never renews."""

    rule: BudgetRule
    spent_usd: float
    reserved_usd: float
    unknown_calls: int
    starts: float
    renews: float | None


class SpendSource(Protocol):
    """Where past spend is read from: the ledger."""

    async def totals(self, since: float, *, budget: str | None = None, caller: str | None = None) -> Totals:
        """Sums over the calls that started at or after Unix time `since`."""
        ...


@dataclass(slots=True)
class _Account:
    """The running period of one budget."""

    rule: BudgetRule
    starts: float
    renews: float | None
    spent: float = 0.0
    unknown: int = 0
    held: dict[int, float] = field(default_factory=dict)

    @property
    def remaining(self) -> float:
        return self.rule.limit_usd - self.spent - sum(self.held.values())

    def roll(self, now: float) -> None:
        """Begin a new period when the running one is over. Never goes back: a clock that is set back must not give
        the money out twice."""
        if self.renews is None or now < self.renews:
            return
        self.starts, self.renews = period_around(self.rule.period, now)
        self.spent, self.unknown, self.held = 0.0, 0, {}


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """Money held back for one call; hand it to `Budgets.settle` exactly once. `worst_case_usd` is `None` where the
    price is unknown: then nothing is held."""

    number: int
    worst_case_usd: float | None
    account: _Account | None = field(repr=False)
    period: float

    @property
    def budget(self) -> str | None:
        """The budget's name, `None` where none applies."""
        return None if self.account is None else self.account.rule.name


class Budgets:
    """All budgets of the gateway. `clock` gives Unix time in seconds."""

    def __init__(self, ledger: SpendSource, budgets: Sequence[BudgetRule], clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._rules = tuple(budgets)
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._open: set[int] = set()
        self._numbers = 0

    async def start(self) -> None:
        """Read from the ledger what the running periods have cost so far."""
        await self.reload(self._rules)

    async def reload(self, budgets: Sequence[BudgetRule]) -> None:
        """Put other rules in force. A budget that keeps its name and period keeps its spend and its reservations."""
        accounts: dict[str, _Account] = {}
        for rule in budgets:
            account = self._accounts.get(rule.name)
            if account is None or account.rule.period != rule.period:
                account = await self._read(rule)
            accounts[rule.name] = account
        for rule in budgets:
            accounts[rule.name].rule = rule
        # An account whose rule is gone stays for the calls that are still under way with it.
        self._rules, self._accounts = tuple(budgets), {**self._accounts, **accounts}

    def view(self, name: str | None) -> BudgetView:
        """How budget `name` stands, for routers; `None` is the caller without a budget."""
        if name is None:
            return BudgetView()
        account = self._account(name)
        remaining = max(0.0, account.remaining)
        left = min(1.0, remaining / account.rule.limit_usd) if account.rule.limit_usd > 0 else 0.0
        exhausted = remaining <= 0
        return BudgetView(
            name=name,
            left=left,
            remaining_usd=remaining,
            free_only=exhausted and account.rule.on_exhausted == "free_only",
        )

    def status(self) -> tuple[BudgetStatus, ...]:
        """All budgets in the file's order, for metrics and reports."""
        accounts = [self._account(rule.name) for rule in self._rules]
        return tuple(
            BudgetStatus(
                rule=account.rule,
                spent_usd=account.spent,
                reserved_usd=sum(account.held.values()),
                unknown_calls=account.unknown,
                starts=account.starts,
                renews=account.renews,
            )
            for account in accounts
        )

    def reserve(self, name: str | None, worst_case_usd: float | None) -> Reservation:
        """Hold `worst_case_usd` of budget `name`; raises `BudgetExhausted` where it does not fit.

        A call of unknown price holds nothing and passes while the budget is not used up. Once it is, only a free call
        (0) passes, and only where the budget says `free_only`.
        """
        self._numbers += 1
        if name is None:
            self._open.add(self._numbers)
            return Reservation(self._numbers, worst_case_usd, None, 0.0)
        account = self._account(name)
        remaining = account.remaining
        if remaining <= 0:
            if worst_case_usd != 0 or account.rule.on_exhausted == "refuse":
                raise BudgetExhausted(_used_up(account))
        elif worst_case_usd is not None and worst_case_usd > remaining:
            raise BudgetExhausted(_too_dear(account, worst_case_usd, remaining))
        self._open.add(self._numbers)
        if worst_case_usd:
            account.held[self._numbers] = worst_case_usd
        return Reservation(self._numbers, worst_case_usd, account, account.starts)

    def settle(self, reservation: Reservation, actual_usd: float | None) -> None:
        """Replace the reservation by what the call did cost. Raises `ValueError` when it was settled before.

        An unknown cost is charged as it was reserved; where that is unknown too, it is counted as an unknown call.
        The cost belongs to the period of the reservation: when that is over, the running one is not touched.
        """
        if reservation.number not in self._open:
            raise ValueError(f"reservation {reservation.number} was settled before")
        self._open.remove(reservation.number)
        account = reservation.account
        if account is None:
            return
        account.roll(self._clock())
        if account.starts != reservation.period:
            return
        account.held.pop(reservation.number, None)
        charged = reservation.worst_case_usd if actual_usd is None else actual_usd
        if charged is None:
            account.unknown += 1
        else:
            account.spent += max(0.0, charged)

    def _account(self, name: str) -> _Account:
        account = self._accounts[name]
        account.roll(self._clock())
        return account

    async def _read(self, rule: BudgetRule) -> _Account:
        starts, renews = period_around(rule.period, self._clock())
        past = await self._ledger.totals(starts, budget=rule.name)
        return _Account(rule, starts, renews, spent=past.cost_usd, unknown=past.unknown_cost)


def period_around(period: Period, now: float) -> tuple[float, float | None]:
    """Start and end, as Unix times, of the UTC day or month that `now` lies in; a total began at 0 and never ends."""
    if period == "total":
        return 0.0, None
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return today.timestamp(), (today + timedelta(days=1)).timestamp()
    first = today.replace(day=1)
    return first.timestamp(), (first + timedelta(days=32)).replace(day=1).timestamp()


def _used_up(account: _Account) -> str:
    rule = account.rule
    taken = account.spent + sum(account.held.values())
    return f"budget '{rule.name}' of {_limit(rule)} is used up ({_usd(taken)} spent or held){_renewal(account)}"


def _too_dear(account: _Account, worst_case: float, remaining: float) -> str:
    rule = account.rule
    return (
        f"budget '{rule.name}' of {_limit(rule)} has {_usd(remaining)} left, "
        f"and this call may cost {_usd(worst_case)}{_renewal(account)}"
    )


def _limit(rule: BudgetRule) -> str:
    return f"{_usd(rule.limit_usd)} in total" if rule.period == "total" else f"{_usd(rule.limit_usd)} a {rule.period}"


def _renewal(account: _Account) -> str:
    if account.renews is None:
        return "; it does not renew"
    return f"; it renews at {datetime.fromtimestamp(account.renews, UTC):%Y-%m-%d %H:%M} UTC"


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.6f}"
