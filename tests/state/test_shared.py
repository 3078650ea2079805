"""State and stash in a real Redis: what is kept, for how long, and what happens while it is away."""

import asyncio
import json
import logging
import sys

import pytest

from gateway.api import LeftOut, StateHealth, ThriftgateError
from gateway.session import Sessions, SessionState
from gateway.state import StashLimits, open_stores, without_secrets
from gateway.state.link import PREFIX, Link
from gateway.state.shared import SharedState
from gateway.state.shared_stash import SharedStash

HOUR = 3600.0
LIMITS = StashLimits(seconds=24 * HOUR)
DAY_MS = 24 * 3600 * 1000
PATIENT = 20.0  # seconds: where the store is well, a busy machine is no outage


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def state_at(link):
    return SharedState(link, Clock())


@pytest.fixture
async def connect():
    links = []

    def make(url, deadline=PATIENT):
        links.append(Link(url, deadline))
        return links[-1]

    yield make
    for link in links:
        await link.close()


@pytest.fixture
async def open_stash():
    stashes = []

    def make(link, limits=LIMITS, clock=None):
        stash = SharedStash(link, limits, clock or Clock())
        stash.open()
        stashes.append(stash)
        return stash

    yield make
    for stash in stashes:
        await stash.close()


async def until(true):
    while not true():
        await asyncio.sleep(0.01)


async def written(stash):
    await until(lambda: not stash._waiting)


def errors(caplog, name):
    return [record for record in caplog.records if record.name == name and record.levelno >= logging.ERROR]


async def test_a_value_is_kept_for_its_time_and_seen_by_all(server, connect):
    one, other = state_at(connect(server.url)), state_at(connect(server.url))
    await one.set("k", b"\x00v", 1000.0)
    assert await other.get("k") == b"\x00v"
    assert 900_000 < int(server(f"PTTL {PREFIX}state:k")[1:]) <= 1_000_000
    await other.set("k", b"w", 0.02)
    await asyncio.sleep(0.05)
    assert await one.get("k") is None


@pytest.mark.parametrize("ttl", [0.0, -1.0])
async def test_no_time_to_live_forgets(server, connect, ttl):
    state = state_at(connect(server.url))
    await state.set("k", b"v", 1000.0)
    await state.set("k", b"w", ttl)
    assert await state.get("k") is None
    assert server("DBSIZE") == b":0"


async def test_a_socket_and_a_database_of_its_own(server, connect):
    await state_at(connect(f"unix://{server.socket}?db=3")).set("k", b"v", 1000.0)
    assert await state_at(connect(f"{server.url}/3")).get("k") == b"v"
    assert await state_at(connect(server.url)).get("k") is None


async def test_a_text_comes_back_to_its_caller_and_to_nobody_else(server, connect, open_stash):
    one, other = open_stash(connect(server.url)), open_stash(connect(server.url))
    texts = [LeftOut("a1", "text " * 10_000), LeftOut("a2", "\ud800\x00")]
    one.keep("ann", texts)
    assert await one.get("ann", "a1") == texts[0].text  # also while it waits to be written
    await written(one)
    for left in texts:
        assert await other.get("ann", left.id) == left.text
    one.keep("x", [LeftOut("y:z", "of x")])
    await written(one)
    assert await other.get("x:y", "z") is None
    assert await other.get("bob", "a1") is None
    assert await other.get("ann", "\ud800") is None
    assert int(server(f"STRLEN {PREFIX}stash:ann:a1")[1:]) < 1000
    assert one.lost == other.lost == 0


async def test_each_use_of_a_text_lets_it_live_for_a_day(server, connect, open_stash):
    stash = open_stash(connect(server.url))
    stash.keep("ann", [LeftOut("a1", "text")])
    await written(stash)
    name = f"{PREFIX}stash:ann:a1"
    assert DAY_MS - 60_000 < int(server(f"PTTL {name}")[1:]) <= DAY_MS
    server(f"PEXPIRE {name} 50000")
    assert await stash.get("ann", "a1") == "text"
    assert int(server(f"PTTL {name}")[1:]) > 60_000


async def test_a_text_written_lately_is_not_written_again_unless_it_is_gone(server, connect, open_stash):
    clock = Clock()
    stash = open_stash(connect(server.url), clock=clock)
    left = [LeftOut("a1", "text")]

    async def is_written():
        server("FLUSHALL")
        stash.keep("ann", left)
        await written(stash)
        return server("DBSIZE") == b":1"

    assert await is_written()
    assert not await is_written()
    assert await stash.get("ann", "a1") is None
    assert await is_written()
    clock.now += HOUR
    assert await is_written()


@pytest.mark.parametrize("garbage", ["garbage", r'"(\xb5/\xfd\xa0\xff\xff\xff\xff\x00\x00\x00\x00"'])
async def test_what_strangers_wrote_is_no_text(server, connect, open_stash, garbage):
    stash = open_stash(connect(server.url))
    assert server(f"SET {PREFIX}stash:ann:a1 {garbage}") == b"+OK"
    assert await stash.get("ann", "a1") is None
    assert stash.lost == 1


@pytest.mark.parametrize("garbage", [b"", b"no json", b"[]", b'{"at": "x"}', b'{"tier": "huge"}'])
async def test_a_session_that_cannot_be_read_is_unknown(server, connect, garbage, caplog):
    state = state_at(connect(server.url))
    sessions = Sessions(state, Clock())
    await state.set("session:s", garbage, 1000.0)
    assert await sessions.get("s") == SessionState()
    assert [record.name for record in caplog.records] == ["thriftgate.session"]


async def test_a_session_of_a_later_version_is_read_as_far_as_it_is_known(server, connect):
    state = state_at(connect(server.url))
    await state.set("session:s", json.dumps({"deployment": "d", "tier": "weak", "of_later": 1}).encode(), 1000.0)
    assert await Sessions(state, Clock()).get("s") == SessionState(deployment="d", tier="weak")


async def test_a_killed_store_is_told_once_and_heals_by_itself(server, connect, open_stash, caplog):
    link = connect(server.url)
    state, stash = state_at(link), open_stash(link)
    await link.open()
    await state.set("k", b"v", 1000.0)
    stash.keep("ann", [LeftOut("a1", "text")])
    await written(stash)
    server.kill()
    assert await state.get("k") == b"v"  # it remembers what it wrote itself
    for _ in range(50):
        await state.set("k", b"w", 1000.0)
        assert await state.get("k") == b"w"
        assert await state.get("unknown") is None
        stash.keep("ann", [LeftOut("a2", "text")])
        assert await stash.get("ann", "a2") is None
    assert (link.away, link.outages) == (True, 1)
    assert link.lost >= 200
    assert state.health == StateHealth(away=True, outages=1, lost=link.lost)
    assert stash.lost == 100
    assert len(errors(caplog, "thriftgate.state")) == len(errors(caplog, "thriftgate.stash")) == 1
    server.start()
    await until(lambda: not link.away)
    assert server("DBSIZE") == b":0"
    assert await state.get("k") == b"w"
    await state.set("k", b"x", 1000.0)
    assert await state_at(connect(server.url)).get("k") == b"x"
    stash.keep("ann", [LeftOut("a1", "text")])  # it was written lately, but to a store that has lost it
    await written(stash)
    assert server(f"EXISTS {PREFIX}stash:ann:a1") == b":1"
    assert "answers again" in caplog.text


async def test_one_that_was_never_there_is_no_error(server, connect, caplog):
    server.kill()
    link = connect(server.url)
    await link.open()
    assert await state_at(link).get("k") is None
    assert len(errors(caplog, "thriftgate.state")) == 1


async def test_nobody_waits_for_a_slow_one_but_those_that_find_out(detour, connect):
    link = connect(detour.url, 0.1)
    state = state_at(link)
    await link.open()
    while link.away:  # the machine was busy
        await asyncio.sleep(0.01)
    detour.delay, outages, before = 1000.0, link.outages, detour.commands
    for _ in range(1000):
        assert await state.get("k") is None
    assert link.outages == outages + 1
    assert detour.commands - before < 50  # but for the first one only those that ask whether it is well again
    detour.delay = 0.0
    await until(lambda: not link.away)


async def test_a_wrong_password_is_told_and_the_password_is_not(start_server, connect, caplog):
    server = start_server("--requirepass", "hunter2")
    right, wrong = (f"redis://:{word}@127.0.0.1:{server.port}" for word in ("hunter2", "hunter3"))
    await state_at(connect(right)).set("k", b"v", 1000.0)
    link = connect(wrong)
    await link.open()
    assert await state_at(link).get("k") is None
    [told] = errors(caplog, "thriftgate.state")
    assert "password" in told.getMessage()
    assert "hunter" not in caplog.text


async def test_what_others_wrote_or_forgot_holds_as_long_as_the_store_says_so(server, connect):
    one, other = state_at(connect(server.url)), state_at(connect(server.url))
    await one.set("k", b"of one", 1000.0)
    await one.set("gone", b"of one", 1000.0)
    await other.set("k", b"of the other", 1000.0)
    await other.set("gone", b"", 0.0)
    assert await one.get("k") == b"of the other"
    assert await one.get("gone") is None
    assert await state_at(connect(server.url)).get("gone") is None


async def test_after_an_outage_the_store_is_right_where_it_knows_a_value(server, connect):
    link = connect(server.url)
    one, other = state_at(link), state_at(connect(server.url))
    for key in ("kept", "lost", "forgotten"):
        await one.set(key, b"of one", 1000.0)
    server.kill()
    await one.set("forgotten", b"", 0.0)
    await one.set("new", b"of one", 1000.0)
    assert await one.get("forgotten") is None
    server.start()
    await until(lambda: not link.away)
    for _ in range(2):  # the first may find the old connection broken
        await other.set("kept", b"of the other", 1000.0)
        await until(lambda: not other.health.away)
    assert await one.get("kept") == b"of the other"
    assert await one.get("lost") == await one.get("new") == b"of one"
    assert await one.get("forgotten") is None


async def test_what_is_remembered_here_ends_with_its_time(server, connect):
    clock = Clock()
    state = SharedState(connect(server.url), clock)
    await state.set("k", b"v", 10.0)
    server.kill()
    clock.now += 9.0
    assert await state.get("k") == b"v"
    await state.set("new", b"v", 10.0)
    clock.now += 1.0
    assert await state.get("k") is None
    assert await state.get("new") == b"v"


async def test_a_full_store_is_still_read(server, connect, caplog):
    link = connect(server.url)
    state = state_at(link)
    await state.set("old", b"v", 1000.0)
    assert server("CONFIG SET maxmemory 1") == b"+OK"
    for _ in range(5):
        await state.set("k", b"v", 1000.0)
    assert await state_at(link).get("old") == b"v"
    assert await state_at(link).get("k") is None
    assert await state.get("k") == b"v"  # refused there, and remembered here
    assert (link.away, link.lost) == (False, 5)
    assert len(errors(caplog, "thriftgate.state")) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b":no number\r\n", b"$-5\r\nx\r\n", b""])
async def test_a_server_of_another_kind_is_away(connect, answer):
    pytest.importorskip("redis")

    async def serve(reader, writer):
        try:
            await reader.read(100)
            writer.write(answer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = connect(f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}", 1.0)
    assert await state_at(link).get("k") is None
    assert link.lost == 1
    listener.close()


async def test_many_at_once_share_a_few_connections(server, connect):
    link = connect(server.url)
    state = state_at(link)
    await asyncio.gather(*(state.set(f"k{number}", b"v", 1000.0) for number in range(500)))
    assert server("DBSIZE") == b":500"
    assert link.lost == 0


async def test_a_cancelled_wait_harms_nobody(detour, connect):
    detour.delay = 0.05
    state = state_at(connect(detour.url))
    await state.set("a", b"1", 100.0)
    await state.set("b", b"2", 100.0)
    waits = [asyncio.ensure_future(state.get("ab"[number % 2])) for number in range(20)]
    await asyncio.sleep(0.02)
    for wait in waits[::2]:
        wait.cancel()
    found = await asyncio.gather(*waits, return_exceptions=True)
    assert found[1::2] == [b"2"] * 10
    assert await state.get("a") == b"1"


def test_without_the_client_the_start_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ThriftgateError, match=r"redis://h/1: the client is not installed; .*thriftgate\[redis\]"):
        open_stores("redis://:hunter2@h/1", None, LIMITS, Clock())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:p@h:1/2", "redis://h:1/2"),
        ("redis://:p@q@h", "redis://h"),
        ("unix://u:p@/a/s?db=1", "unix:///a/s"),
        ("memory://", "memory://"),
    ],
)
def test_an_address_is_shown_without_its_password(url, shown):
    assert without_secrets(url) == shown
