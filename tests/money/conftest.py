"""Shared by the tests of money: the real price list, a clock that stands still, records and a real ledger file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from gateway.api import CallRecord, Completed
from gateway.money import Catalog, SqliteLedger

settings.register_profile("unhurried", deadline=None, max_examples=60)  # a busy machine is not a failure
settings.load_profile("unhurried")


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def call() -> Callable[..., CallRecord]:
    def build(id: str, **values: Any) -> CallRecord:
        defaults: dict[str, Any] = {
            "started": 1_750_000_000.0,
            "duration": 1.5,
            "outcome": Completed("stop"),
            "caller": "alice",
            "session": "s1",
            "client": "test",
            "dialect": "chat",
            "stream": False,
            "asked": "auto",
        }
        return CallRecord(id=id, **{**defaults, **values})

    return build


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def ledger(ledger_file: Path, clock: Clock) -> AsyncIterator[SqliteLedger]:
    ledger = SqliteLedger(f"sqlite:///{ledger_file}", clock)
    await ledger.open()
    yield ledger
    await ledger.close()
