from __future__ import annotations

import asyncio
import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.api import (
    Attempt,
    CallRecord,
    Cancelled,
    Completed,
    Complexity,
    Considered,
    Factor,
    Failed,
    Refused,
    Savings,
    Tier,
    Usage,
)
from gateway.money import LedgerError, SqliteLedger, record_json, schema

Call = Callable[..., CallRecord]


def url(path: Path) -> str:
    return f"sqlite:///{path}"


async def test_a_record_comes_back_whole(ledger: SqliteLedger, call: Call) -> None:
    record = call(
        "r1",
        deployment="mini",
        model="openai/gpt-5-mini",
        tier=Tier.WEAK,
        complexity=Complexity(3.5, "bug_fix", (Factor("size", 1.0, 3.0, "long"),), 0.5, "why", Tier.STRONG),
        considered=(Considered("mini", Tier.WEAK, None, "too small"),),
        attempts=(Attempt("mini", Tier.WEAK, "ok", 1.0, 200, Usage(10, 5), 0.01),),
        usage=Usage(10, 5, cached=4),
        cost_usd=0.01,
        savings=Savings(0.1, 0.02, -0.01, 0.12),
        trimmed_by={"ansi": 3},
        budget="team",
    )
    await ledger.write(record)
    stored = await ledger.get("r1")
    assert stored == record_json(record)
    assert stored is not None
    assert stored["tier"] == "weak"
    assert stored["complexity"]["force"] == "strong"
    assert stored["savings"]["total"] == pytest.approx(0.11)
    assert stored["outcome"] == {"finish_reason": "stop", "kind": "completed"}
    assert stored["usage"]["cached"] == 4
    assert await ledger.get("r2") is None


@pytest.mark.parametrize(
    "outcome",
    [Completed(), Failed(500, "x", "y", committed=True), Refused(429, "x", "y"), Cancelled("streaming")],
)
async def test_every_outcome_is_recorded(ledger: SqliteLedger, call: Call, outcome) -> None:
    await ledger.write(call("r1", outcome=outcome))
    stored = await ledger.get("r1")
    assert stored is not None
    assert stored["outcome"]["kind"] == outcome.kind


async def test_what_json_cannot_say_is_unknown(ledger: SqliteLedger, call: Call) -> None:
    await ledger.write(call("r1", cost_usd=math.nan))
    stored = await ledger.get("r1")
    assert stored is not None
    assert stored["cost_usd"] is None


async def test_the_same_record_twice_counts_once(ledger: SqliteLedger, call: Call) -> None:
    await ledger.write(call("r1", cost_usd=1.0))
    await asyncio.gather(*(ledger.write(call("r1", cost_usd=1.0)) for _ in range(5)))
    assert (await ledger.totals(0)).calls == 1
    assert await ledger.spend_since(0) == 1.0


async def test_another_record_under_the_same_id_is_an_error(ledger: SqliteLedger, call: Call) -> None:
    await ledger.write(call("r1", cost_usd=1.0))
    with pytest.raises(LedgerError, match="record r1: there is another record"):
        await ledger.write(call("r1", cost_usd=2.0))
    assert await ledger.spend_since(0) == 1.0


async def test_a_bad_record_does_not_harm_its_batch(ledger: SqliteLedger, call: Call) -> None:
    results = await asyncio.gather(
        ledger.write(call("a")),
        ledger.write(call("b", trimmed_by={"x": object()})),
        ledger.write(call("c", started=None)),
        ledger.write(call("d")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), LedgerError, LedgerError, type(None)]
    assert (await ledger.totals(0)).calls == 2


async def test_a_cancelled_wait_still_writes(ledger: SqliteLedger, call: Call) -> None:
    writing = asyncio.ensure_future(ledger.write(call("r1")))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await ledger.write(call("r2"))
    assert await ledger.get("r1") is not None


async def test_a_flood_is_written_in_batches_and_none_is_lost(ledger: SqliteLedger, call: Call) -> None:
    await asyncio.gather(*(ledger.write(call(f"r{n}")) for n in range(2_000)))
    assert (await ledger.totals(0)).calls == 2_000


async def test_closing_commits_what_waits(ledger: SqliteLedger, ledger_file: Path, call: Call) -> None:
    writing = [asyncio.ensure_future(ledger.write(call(f"r{n}"))) for n in range(100)]
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.gather(*writing)
    await ledger.close()
    with pytest.raises(LedgerError, match="not open"):
        await ledger.write(call("late"))
    with pytest.raises(LedgerError, match="not open"):
        await ledger.get("r1")
    file = sqlite3.connect(ledger_file)
    assert file.execute("SELECT count(*) FROM calls").fetchone() == (100,)
    file.close()


async def test_a_restart_finds_everything(ledger_file: Path, call: Call, clock) -> None:
    for n in range(3):
        ledger = SqliteLedger(url(ledger_file) + "?synchronous=full", clock)
        await ledger.open()
        assert (await ledger.totals(0)).calls == n
        await ledger.write(call(f"r{n}"))
        await ledger.close()


async def test_recent_is_newest_first(ledger: SqliteLedger, call: Call) -> None:
    for key, started in (("b", 20.0), ("a", 10.0), ("d", 30.0), ("c", 20.0)):
        await ledger.write(call(key, started=started))
    assert [record["id"] for record in await ledger.recent()] == ["d", "c", "b", "a"]
    assert [record["id"] for record in await ledger.recent(1)] == ["d"]
    assert await ledger.recent(0) == []


async def test_totals_count_the_unknown_apart(ledger: SqliteLedger, call: Call) -> None:
    tried = (Attempt("m", Tier.WEAK, "ok", 1.0),)
    known = {"attempts": tried, "usage": Usage(100, 10, cached=50, cache_write=20)}
    await ledger.write(call("a", **known, cost_usd=0.5, savings=Savings(1.0, 0.25, -0.5, 1.25), budget="team"))
    await ledger.write(call("b", **known, cost_usd=None, savings=Savings(None, 0.25, None, 3.0), budget="team"))
    await ledger.write(call("c", outcome=Refused(429, "x", "y"), budget="team"))
    await ledger.write(call("d", started=5.0, attempts=tried, cost_usd=9.0, caller="bob"))
    totals = await ledger.totals(100.0)
    assert (totals.calls, totals.completed, totals.unknown_cost, totals.unknown_savings) == (3, 2, 1, 1)
    assert totals.cost_usd == 0.5
    assert (totals.saved_routing_usd, totals.saved_context_usd, totals.saved_cache_usd) == (1.0, 0.5, -0.5)
    assert totals.saved_usd == 0.75
    assert totals.baseline_usd == 1.25
    assert (totals.input_tokens, totals.output_tokens) == (200, 20)
    assert (totals.cached_tokens, totals.cache_write_tokens) == (100, 40)
    assert await ledger.spend_since(0) == 9.5
    assert await ledger.spend_since(0, budget="team") == 0.5
    assert await ledger.spend_since(0, caller="bob") == 9.0
    assert await ledger.spend_since(5.1, caller="bob") == 0.0


async def test_an_empty_ledger_has_spent_nothing(ledger: SqliteLedger) -> None:
    totals = await ledger.totals(0)
    assert (totals.calls, totals.cost_usd, totals.unknown_cost) == (0, 0.0, 0)


async def test_the_record_column_holds_no_more_than_the_record(
    ledger: SqliteLedger, ledger_file: Path, call: Call
) -> None:
    await ledger.write(call("r1", caller="key-name"))
    file = sqlite3.connect(ledger_file)
    row = file.execute("SELECT outcome, caller, asked, recorded FROM calls").fetchone()
    file.close()
    assert row == ("completed", "key-name", "auto", 1_750_000_000.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("postgres://x/y", "only sqlite"),
        ("ledger.db", "only sqlite"),
        ("sqlite://", "expected sqlite:///"),
        ("sqlite:///", "expected sqlite:///"),
        ("sqlite://ledger.db", "expected sqlite:///"),
        ("sqlite:///a.db?synchronous=off", "synchronous is normal or full"),
        ("sqlite:///a.db?cache=shared", "unknown option 'cache'"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(wrong: str, message: str, clock) -> None:
    with pytest.raises(LedgerError, match=message):
        SqliteLedger(wrong, clock)


def test_three_slashes_are_relative_and_four_absolute() -> None:
    assert schema.parse_url("sqlite:///var/a%20b.db") == (Path("var/a b.db"), "normal")
    assert schema.parse_url("sqlite:////var/a.db?synchronous=FULL") == (Path("/var/a.db"), "full")


async def failure(path: Path, clock) -> str:
    ledger = SqliteLedger(url(path), clock)
    with pytest.raises(LedgerError) as caught:
        await ledger.open()
    return str(caught.value)


async def test_a_file_that_is_no_database(tmp_path: Path, clock) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database" * 1000)
    assert "not a SQLite database" in await failure(path, clock)
    assert path.read_bytes().startswith(b"not a database")


async def test_another_programs_database_is_left_alone(tmp_path: Path, clock) -> None:
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    assert "another program's database" in await failure(path, clock)
    assert path.read_bytes() == before


async def test_a_newer_releases_file_is_left_alone(ledger: SqliteLedger, ledger_file: Path, clock) -> None:
    await ledger.close()
    file = sqlite3.connect(ledger_file)
    file.execute("PRAGMA user_version = 99")
    file.close()
    assert "newer release" in await failure(ledger_file, clock)


async def test_an_older_file_is_brought_up_to_date(
    ledger: SqliteLedger, ledger_file: Path, call: Call, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.write(call("old"))
    await ledger.close()
    added = "ALTER TABLE calls ADD COLUMN note TEXT; UPDATE calls SET note = 'kept'"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
    again = SqliteLedger(url(ledger_file), clock)
    await again.open()
    await again.write(call("new"))
    assert [record["id"] for record in await again.recent()] == ["new", "old"]
    await again.close()
    file = sqlite3.connect(ledger_file)
    assert file.execute("SELECT id, note FROM calls ORDER BY id").fetchall() == [("new", None), ("old", "kept")]
    assert file.execute("PRAGMA user_version").fetchone() == (2,)
    file.close()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


async def test_a_damaged_file_says_so(ledger: SqliteLedger, ledger_file: Path, call: Call, clock) -> None:
    await asyncio.gather(*(ledger.write(call(f"r{n}")) for n in range(200)))
    await ledger.close()
    damage(ledger_file)
    damaged = SqliteLedger(url(ledger_file), clock)
    await damaged.open()
    with pytest.raises(LedgerError, match="damaged"):
        await damaged.recent()
    with pytest.raises(LedgerError, match="damaged"):
        await damaged.write(call("more"))
    await damaged.close()


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_an_unwritable_folder(closed_folder: Path, clock) -> None:
    assert "cannot be opened" in await failure(closed_folder / "ledger.db", clock)


async def test_a_path_that_cannot_be(tmp_path: Path, clock) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in await failure(tmp_path / "file" / "ledger.db", clock)
    assert "cannot be opened" in await failure(tmp_path, clock)


async def test_a_locked_file_fails_the_write_and_recovers(ledger: SqliteLedger, ledger_file: Path, call: Call) -> None:
    other = sqlite3.connect(ledger_file, isolation_level=None)
    ledger._writer._connection.execute("PRAGMA busy_timeout = 20")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another process"):
        await ledger.write(call("r1"))
    assert (await ledger.totals(0)).calls == 0
    other.execute("ROLLBACK")
    other.close()
    await ledger.write(call("r1"))
    assert (await ledger.totals(0)).calls == 1


async def test_a_full_disk_fails_the_write_and_recovers(ledger: SqliteLedger, call: Call) -> None:
    connection = ledger._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = {"reason": "x" * 100_000}
    results = await asyncio.gather(*(ledger.write(call(f"r{n}", **large)) for n in range(3)), return_exceptions=True)
    assert all(isinstance(result, LedgerError) and "disk is full" in str(result) for result in results)
    assert (await ledger.totals(0)).calls == 0
    connection.execute("PRAGMA max_page_count = 1000000")
    await ledger.write(call("r0", **large))
    assert (await ledger.totals(0)).calls == 1
