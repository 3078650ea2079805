"""How fast the ledger takes records, against one transaction per record on the same disk in the same run.

python -m bench.ledger [--records 5000]
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from gateway.api import (
    Attempt,
    CallRecord,
    Completed,
    Complexity,
    Considered,
    Factor,
    Savings,
    Tier,
    Usage,
)
from gateway.money import SqliteLedger
from gateway.money.record import COLUMNS, record_row
from gateway.money.schema import open_writer

_FACTORS = tuple(
    Factor(name, 1.0, 3.0, "because of what it looks like") for name in ("size", "task", "breadth", "past")
)
_CONSIDERED = tuple(Considered(f"deployment-{n}", Tier.BASE, 0.001 * n) for n in range(8))

SAMPLE = CallRecord(
    id="",
    started=1_750_000_000.0,
    duration=1.25,
    outcome=Completed("stop"),
    caller="alice",
    session="0123456789abcdef",
    client="OpenAI/Python",
    dialect="chat",
    stream=True,
    asked="gpt-5",
    deployment="deployment-1",
    model="openai/gpt-5-mini",
    provider="openai",
    tier=Tier.WEAK,
    complexity=Complexity(4.0, "bug_fix", _FACTORS, 0.6, "a bug in two files"),
    reason="cheapest that fits",
    considered=_CONSIDERED,
    attempts=(Attempt("deployment-1", Tier.WEAK, "ok", 1.2, 200, Usage(12_000, 400, cached=9_000), 0.002),),
    usage=Usage(12_000, 400, cached=9_000),
    cost_usd=0.002,
    savings=Savings(0.01, 0.002, 0.0, 0.014),
    trimmed_by={"ansi": 120, "json": 300},
)


def plain(path: Path, synchronous: str, records: int) -> list[float]:
    """Seconds of each record where each has a transaction of its own, on the thread that asks."""
    connection: sqlite3.Connection = open_writer(path, "full" if synchronous == "full" else "normal")
    insert = f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own names
    waits = []
    for n in range(records):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, record_row(replace(SAMPLE, id=f"r{n}"), 0.0))
        connection.execute("COMMIT")
        waits.append(time.perf_counter() - began)
    connection.close()
    return waits


async def ledger(path: Path, synchronous: str, records: int, callers: int) -> list[float]:
    """Seconds each of `records` records waited, `callers` at a time."""
    ledger = SqliteLedger(f"sqlite:///{path}?synchronous={synchronous}", time.time)
    await ledger.open()
    waits: list[float] = []

    async def call(lane: int) -> None:
        for n in range(lane, records, callers):
            began = time.perf_counter()
            await ledger.write(replace(SAMPLE, id=f"r{n}"))
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(call(lane) for lane in range(callers)))
    assert (await ledger.totals(0)).calls == records
    await ledger.close()
    return waits


def row(name: str, waits: list[float], took: float, baseline: float | None) -> float:
    rate = len(waits) / took
    waits.sort()
    p50, p99 = statistics.median(waits) * 1000, waits[int(len(waits) * 0.99)] * 1000
    ratio = f"{rate / baseline:6.2f}" if baseline else "  1.00"
    print(f"{name:<44}{rate:>12,.0f}{p50:>10.2f}{p99:>10.2f}{ratio:>9}")
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5_000)
    records = parser.parse_args().records
    print(f"{'':<44}{'records/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'ratio':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for synchronous in ("normal", "full"):
            began = time.perf_counter()
            waits = plain(Path(folder) / f"plain-{synchronous}.db", synchronous, records)
            baseline = row(f"{synchronous}: one transaction per record", waits, time.perf_counter() - began, None)
            for callers in (1, 32, 256):
                path = Path(folder) / f"{synchronous}-{callers}.db"
                began = time.perf_counter()
                waits = asyncio.run(ledger(path, synchronous, records, callers))
                row(f"{synchronous}: ledger, {callers} at a time", waits, time.perf_counter() - began, baseline)


if __name__ == "__main__":
    main()
