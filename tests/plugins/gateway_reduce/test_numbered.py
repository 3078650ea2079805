from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway_reduce.numbered import numbers, parted, same_lines

LINES = st.lists(st.sampled_from(["", "}", "    return it", "7\tseven", "8: eight", "\ud800"]), min_size=1, max_size=8)
SIGNS = st.sampled_from([":", "\t", "→", "|"])


@given(LINES, st.integers(0, 99_999), SIGNS, st.integers(0, 6))
def test_a_numbered_copy_is_the_same_from_any_line_on(plain, first, sign, padding):
    view = [f"{' ' * padding}{n}{sign}{line}" for n, line in enumerate(plain, first)]
    assert [numbers(view)[at] for at in range(len(view))] == list(enumerate(plain, first))
    for at in range(len(plain)):
        assert same_lines(plain, at, view, at) == len(plain) - at


@given(LINES, st.integers(0, 999), st.integers(0, 7))
def test_a_gap_in_the_numbers_ends_it(plain, first, gap):
    view = [f"{n + (at >= gap)}:{line}" for at, (n, line) in enumerate(enumerate(plain, first))]
    assert same_lines(plain, 0, view, 0) == (min(gap, len(plain)) or len(plain))


@given(st.text())
def test_any_line_is_taken(line):
    known = parted(line)
    assert known is None or line.endswith(known[1])
    assert same_lines([line, None], 0, [line, None], 0) == 0
