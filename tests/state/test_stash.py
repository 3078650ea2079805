"""The stash: each caller's texts, for as long as they are used and as there is room, on a real SQLite file."""

import asyncio
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.api import LeftOut
from gateway.state import FileStash, StashLimits

HOUR = 3600.0
LIMITS = StashLimits(seconds=24 * HOUR, bytes=1024 * 1024)


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def open_stash(tmp_path, clock):
    opened = []

    def make(limits=LIMITS, path=tmp_path / "stash.db"):
        stash = FileStash(path, limits, clock)
        stash.open()
        opened.append(stash)
        return stash

    yield make
    for stash in opened:
        await stash.close()


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT caller, id, used, size FROM stash ORDER BY id").fetchall()


def noise(seed):
    """About ten kilobytes that compress badly."""
    return "".join(chr(33 + (seed * 7919 + n * n * 104729 + n // 7) % 90) for n in range(12_000))


async def test_a_text_comes_back_to_its_caller_and_to_nobody_else(open_stash):
    stash = open_stash()
    stash.keep("ann", [LeftOut("a1", "text"), LeftOut("a2", "other")])
    assert await stash.get("ann", "a1") == "text"
    assert await stash.get("ann", "a2") == "other"
    assert await stash.get("bob", "a1") is None
    assert await stash.get("ann", "no such id") is None
    assert stash.lost == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_any_text_and_any_id_are_kept(clock, text, id):
    async def there_and_back():
        stash = FileStash(None, LIMITS, clock)
        stash.open()
        stash.keep("ann", [LeftOut("a", text)])
        found = await stash.get("ann", "a"), await stash.get("ann", id)
        await stash.close()
        return found, stash.lost

    (found, other), lost = asyncio.run(there_and_back())
    assert found == text
    assert other is None or id == "a"
    assert lost == 0


async def test_it_outlives_the_process(open_stash):
    stash = open_stash()
    stash.keep("ann", [LeftOut("a1", "text")])
    await stash.close()
    assert await open_stash().get("ann", "a1") == "text"
    assert await stash.get("ann", "a1") is None  # a closed one answers too


async def test_a_text_goes_a_day_after_its_last_use(open_stash, clock):
    stash = open_stash()
    stash.keep("ann", [LeftOut("read", "text"), LeftOut("unread", "text")])
    for _ in range(3):
        clock.now += 20 * HOUR
        assert await stash.get("ann", "read") == "text"
    assert await stash.get("ann", "unread") is None
    clock.now += 24 * HOUR
    assert await stash.get("ann", "read") is None


async def test_a_text_that_is_brought_along_again_stays(open_stash, clock):
    stash = open_stash()
    for _ in range(4):
        stash.keep("ann", [LeftOut("a1", "text")])
        assert await stash.get("ann", "no such id") is None
        clock.now += 20 * HOUR
    assert await stash.get("ann", "a1") == "text"


async def test_what_is_too_old_is_deleted(open_stash, clock, tmp_path):
    stash = open_stash()
    stash.keep("ann", [LeftOut("old", "text")])
    await stash.get("ann", "old")
    clock.now += 25 * HOUR
    stash.keep("ann", [LeftOut("new", "text")])
    await stash.close()
    assert [row[1] for row in rows(tmp_path / "stash.db")] == ["new"]


async def test_a_text_written_lately_is_not_written_again(open_stash, clock, tmp_path):
    stash = open_stash()
    for minutes in (0, 10, 20, 70):
        clock.now = 1_000_000.0 + minutes * 60
        stash.keep("ann", [LeftOut("a1", "text")])
        assert await stash.get("ann", "no such id") is None
        [row] = rows(tmp_path / "stash.db")
        assert row[2] == 1_000_000.0 + (0 if minutes < 60 else minutes * 60)


async def test_the_oldest_go_when_there_is_no_more_room(open_stash, clock, tmp_path):
    stash = open_stash(StashLimits(seconds=24 * HOUR, bytes=60_000))
    for number in range(20):
        clock.now += 1
        stash.keep("ann", [LeftOut(f"{number:02}", noise(number))])
        assert await stash.get("ann", f"{number:02}") is not None
    await stash.close()
    kept = rows(tmp_path / "stash.db")
    assert sum(size for *_, size in kept) <= 60_000
    assert len(kept) > 2
    assert [id for _, id, *_ in kept] == [f"{number:02}" for number in range(20 - len(kept), 20)]


async def test_other_limits_hold_at_once(open_stash, clock):
    stash = open_stash()
    stash.keep("ann", [LeftOut("a1", "text")])
    assert await stash.get("ann", "a1")
    stash.limit(StashLimits(seconds=60, bytes=LIMITS.bytes))
    clock.now += 61
    assert await stash.get("ann", "a1") is None


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
async def test_a_damaged_file_is_set_aside_and_begun_anew(open_stash, tmp_path, damage):
    (tmp_path / "stash.db").write_bytes(damage)
    stash = open_stash()
    stash.keep("ann", [LeftOut("a1", "text")])
    assert await stash.get("ann", "a1") == "text"
    assert (tmp_path / "stash.db.damaged").read_bytes() == damage


async def test_a_file_that_cannot_be_opened_loses_texts_and_nothing_else(open_stash, tmp_path, caplog):
    (tmp_path / "stash.db").mkdir()
    stash = open_stash()
    for number in range(5):
        stash.keep("ann", [LeftOut(f"a{number}", "text")])
        assert await stash.get("ann", f"a{number}") is None
    assert stash.lost >= 5
    assert len([record for record in caplog.records if record.name == "thriftgate.stash"]) == 1
    (tmp_path / "stash.db").rmdir()
    stash.keep("ann", [LeftOut("a0", "text")])
    assert await stash.get("ann", "a0") == "text"


async def test_two_gateways_share_one_file(open_stash):
    one, other = open_stash(), open_stash()
    one.keep("ann", [LeftOut("a1", "from one")])
    assert await one.get("ann", "a1")
    other.keep("ann", [LeftOut("a1", "from one"), LeftOut("a2", "from the other")])
    assert await other.get("ann", "a1") == "from one"
    assert await one.get("ann", "a2") == "from the other"


async def test_a_cancelled_wait_harms_nobody(open_stash):
    stash = open_stash()
    stash.keep("ann", [LeftOut("a1", "text")])
    waits = [asyncio.ensure_future(stash.get("ann", "a1")) for _ in range(20)]
    await asyncio.sleep(0)
    for wait in waits[::2]:
        wait.cancel()
    found = await asyncio.gather(*waits, return_exceptions=True)
    assert found[1::2] == ["text"] * 10
    assert await stash.get("ann", "a1") == "text"
