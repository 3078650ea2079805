"""Money: prices, usage, cost, savings, the ledger and budgets. Nothing here talks to a network."""

from gateway.money.budgets import BudgetRule, Budgets, BudgetStatus, Reservation, SpendSource, period_around
from gateway.money.cost import cost, worst_case
from gateway.money.ledger import SqliteLedger
from gateway.money.outlook import Cache, Course, bill, dearer
from gateway.money.prices import Catalog, ModelFacts
from gateway.money.record import record_json
from gateway.money.savings import Bill, savings
from gateway.money.schema import LedgerError
from gateway.money.tariff import OffPeak, Rates, Step, Tariff, Window
from gateway.money.totals import Totals
from gateway.money.usage import estimate_usage, read_usage

__all__ = [
    "Bill",
    "BudgetRule",
    "BudgetStatus",
    "Budgets",
    "Cache",
    "Catalog",
    "Course",
    "LedgerError",
    "ModelFacts",
    "OffPeak",
    "Rates",
    "Reservation",
    "SpendSource",
    "SqliteLedger",
    "Step",
    "Tariff",
    "Totals",
    "Window",
    "bill",
    "cost",
    "dearer",
    "estimate_usage",
    "period_around",
    "read_usage",
    "record_json",
    "savings",
    "worst_case",
]
