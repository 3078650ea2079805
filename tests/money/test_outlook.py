"""What a conversation is expected to cost, against a provider's cache that is played through turn by turn."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api import Price
from gateway.money import Cache, Course, bill, dearer

PRICES = st.builds(
    Price,
    st.floats(0, 20),
    st.just(0.0),
    cache_read=st.none() | st.floats(0, 20),
    cache_write=st.none() | st.floats(0, 30),
)


class Provider:
    """Keeps what it was sent last, and reads from it the common beginning."""

    def __init__(self, cache: Cache, kept: list[int], reach: int | None) -> None:
        self._cache, self._kept, self._reach = cache, kept, reach

    def __call__(self, prompt: list[int]) -> float:
        cacheable = prompt if self._reach is None else prompt[: self._reach]
        if len(cacheable) < self._cache.minimum:
            self._kept = []
            return len(prompt) * self._cache.input
        same = 0
        for old, new in zip(self._kept, cacheable, strict=False):
            if old != new:
                break
            same += 1
        self._kept = cacheable
        read, written = same, len(cacheable) - same
        plain = len(prompt) - len(cacheable)
        return read * self._cache.read + written * self._cache.write + plain * self._cache.input


def played(provider: Provider, prompt: list[int], turns: int, growth: int) -> float:
    return sum(provider(prompt + [-1] * (turn * growth)) for turn in range(turns)) / 1_000_000


@st.composite
def conversations(draw):
    """A prompt sent before, this turn's two bodies, and how many tokens at the beginning of each are kept."""
    before = list(range(draw(st.integers(0, 60))))
    new = [1_000 + number for number in range(draw(st.integers(0, 30)))]
    original = before + new
    gone = draw(st.sets(st.integers(0, max(0, len(original) - 1)), max_size=40))
    trimmed = [token for at, token in enumerate(original) if at not in gone]
    return before, trimmed, original


def common(one: list[int], other: list[int]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@settings(max_examples=300)
@given(
    conversations(),
    PRICES,
    st.booleans(),
    st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(0, 20)),
    st.none() | st.integers(0, 80),
)
def test_the_bill_is_that_of_a_session_played_through(case, price, caches, numbers, reach):
    (before, trimmed, original), (minimum, turns, growth) = case, numbers
    cache = Cache.of(price, caches=caches, minimum=minimum)
    bills = []
    for body in (trimmed, original):
        told = bill(Course(len(body), common(before, body), growth, reach), cache, turns)
        truth = played(Provider(cache, before[:reach], reach), body, turns, growth)
        assert abs(told - truth) < 1e-12
        bills.append(truth)
    courses = [Course(len(body), common(before, body), growth, reach) for body in (trimmed, original)]
    if abs(bills[0] - bills[1]) > 1e-12:
        assert dearer(courses[0], courses[1], cache, turns) is (bills[0] > bills[1])


def test_a_rewrite_of_a_warm_prompt_pays_only_where_enough_turns_follow():
    cache = Cache.of(Price(3.0, 15.0, 0.3, 3.75), caches=True, minimum=1_024)
    trimmed, original = Course(9_000, 0, 100), Course(10_000, 9_900, 100)
    assert dearer(trimmed, original, cache, 10)
    assert dearer(trimmed, original, cache, 100)
    assert not dearer(trimmed, original, cache, 200)
    assert not dearer(replace(trimmed, cached=8_900), original, cache, 1)


def test_without_a_price_lengths_are_compared():
    assert dearer(Course(11, 11, 0), Course(10, 0, 0), None, 5)
    assert not dearer(Course(9, 0, 0), Course(10, 10, 0), None, 5)
