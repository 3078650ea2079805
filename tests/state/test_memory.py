from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import ThriftgateError
from gateway.state import MemoryState, open_state


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_value_lives_for_its_time() -> None:
    clock = Clock()
    state = MemoryState(clock)
    await state.set("k", b"v", ttl=10.0)
    clock.now = 9.99
    assert await state.get("k") == b"v"
    clock.now = 10.0
    assert await state.get("k") is None
    assert len(state) == 0


async def test_setting_again_replaces_value_and_time() -> None:
    clock = Clock()
    state = MemoryState(clock)
    await state.set("k", b"old", ttl=10.0)
    clock.now = 9.0
    await state.set("k", b"new", ttl=10.0)
    clock.now = 15.0
    assert await state.get("k") == b"new"


@pytest.mark.parametrize("ttl", [0.0, -1.0])
async def test_no_time_to_live_forgets(ttl: float) -> None:
    state = MemoryState(Clock())
    await state.set("k", b"v", ttl=10.0)
    await state.set("k", b"w", ttl=ttl)
    assert await state.get("k") is None
    await state.set("new", b"w", ttl=ttl)
    assert len(state) == 0


async def test_the_least_used_goes_first() -> None:
    state = MemoryState(Clock(), max_entries=2)
    await state.set("a", b"1", ttl=10.0)
    await state.set("b", b"2", ttl=10.0)
    assert await state.get("a") == b"1"
    await state.set("c", b"3", ttl=10.0)
    assert await state.get("b") is None
    assert await state.get("a") == b"1"
    assert await state.get("c") == b"3"


async def test_what_another_one_holds_is_taken_over() -> None:
    clock = Clock()
    one, other = MemoryState(clock, max_entries=2), MemoryState(clock)
    await one.set("a", b"old", ttl=10.0)
    for key in "abc":
        await other.set(key, key.encode(), ttl=10.0)
    one.take(other)
    assert [await one.get(key) for key in "abc"] == [None, b"b", b"c"]
    assert len(one) == 2
    assert len(other) == 0


async def test_absent_is_none() -> None:
    assert await MemoryState(Clock()).get("k") is None


def test_room_for_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MemoryState(Clock(), max_entries=0)


steps = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 5), st.booleans()), max_size=60)


@given(steps)
async def test_never_more_than_allowed_and_never_stale(steps: list[tuple[str, int, bool]]) -> None:
    clock = Clock()
    state = MemoryState(clock, max_entries=3)
    written: dict[str, tuple[bytes, float]] = {}
    for number, (key, ttl, write) in enumerate(steps):
        clock.now += 1
        if write:
            value = str(number).encode()
            await state.set(key, value, ttl)
            written[key] = (value, clock.now + ttl)
        found = await state.get(key)
        assert len(state) <= 3
        if found is not None:
            assert found == written[key][0]
            assert clock.now < written[key][1]
        assert not write or found is not None


async def test_the_url_says_which() -> None:
    state = open_state("memory://")
    await state.set("k", b"v", 10.0)
    assert await state.get("k") == b"v"


@pytest.mark.parametrize("url", ["redis://localhost", "", "memory", "file:///x"])
def test_another_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(ThriftgateError, match="is not supported"):
        open_state(url)
