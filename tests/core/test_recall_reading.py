"""What a recall shows: ranges, patterns, and the way to the rest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recall import CHARS, shown

HUNDRED = "\n".join(f"row {number}" for number in range(1, 101))
LONG = "\n".join(f"{number} " + "word " * 20 for number in range(1, 1001))
JSON = "[" + ",".join(f'{{"id":{number},"name":"item {number}"}}' for number in range(500)) + "]"
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=3000),
    st.lists(st.text(st.characters(codec=None), max_size=900), max_size=60).map("\n".join),
)
ASKED = st.one_of(st.none(), st.text(max_size=20), st.integers(), st.lists(st.integers(), max_size=3), st.booleans())
EXPRESSIONS = st.text("()[]{}*+?|\\^$.-,:<>=!&~#PRabswd019 ", max_size=16)


def numbers(answer):
    return [int(found) for found in re.findall(r"(?m)^(\d+): ", answer)]


@given(TEXTS, ASKED | st.from_regex(r"\d{1,4}-\d{1,4}", fullmatch=True), ASKED)
def test_any_text_asked_for_in_any_way_is_answered_within_bounds(text, lines, pattern):
    answer = shown(text, lines, pattern)
    assert isinstance(answer, str)
    assert answer
    assert len(answer) <= CHARS + 300
    assert shown(text, lines, pattern) == answer


@given(TEXTS, EXPRESSIONS)
def test_any_expression_is_searched_for(text, pattern):
    assert len(shown(text, pattern=pattern)) <= CHARS + 300


@given(TEXTS)
def test_the_whole_text_can_be_read_range_by_range(text):
    told, place = [], "1-"
    while place:
        answer = shown(text, place)
        head, _, body = answer.partition("\n")
        told.append("".join(re.sub(r"^\d+: ", "", row) for row in body.split("\n")))
        more = re.search(r'More: lines "(\d+-\d+)"', head)
        place = more[1] if more else None
    assert "".join(told) == text.replace("\n", "")


def test_without_range_and_pattern_the_beginning_is_shown_and_how_to_go_on():
    head = shown(LONG).split("\n")[0]
    assert re.fullmatch(r'1000 lines, 1-\d+ shown\. More: lines "\d+-1000", or a pattern\.', head)
    assert shown("one").split("\n") == ["1 line, all shown.", "1: one"]
    assert shown(HUNDRED).startswith("100 lines, all shown.\n1: row 1\n")


@pytest.mark.parametrize(
    ("lines", "first", "last"),
    [
        ("7-9", 7, 9),
        (" 7 - 9 ", 7, 9),
        ("7:9", 7, 9),
        ("7..9", 7, 9),
        ("7,9", 7, 9),
        ("7 to 9", 7, 9),
        ([7, 9], 7, 9),
        ("7", 7, 7),
        (7, 7, 7),
        ("98-", 98, 100),
        ("98-500", 98, 100),
        ("-3", 1, 3),
    ],
)
def test_ranges_are_read_as_models_write_them(lines, first, last):
    assert numbers(shown(HUNDRED, lines)) == list(range(first, last + 1))


@pytest.mark.parametrize("lines", ["0-3", "101", "9-7", "all", "1-2-3", "", "-", True, 1.5, {}, [1], "1" * 99])
def test_a_bad_range_is_answered_with_a_sentence(lines):
    answer = shown(HUNDRED, lines)
    assert "100 lines" in answer
    assert "\n" not in answer or lines == ""


def test_a_pattern_shows_where_it_is_found_with_a_line_around():
    answer = shown(HUNDRED, pattern="ROW 5$")
    assert answer.startswith("100 lines, 1 matches.")
    assert numbers(answer) == [4, 5, 6]
    assert numbers(shown(HUNDRED, "1-10", "row .")) == list(range(1, 11))
    assert shown(HUNDRED, pattern="nothing like it").startswith("100 lines, none matches.")


def test_more_places_than_fit_are_counted_and_can_be_asked_for():
    answer = shown(LONG, pattern="word")
    head = answer.split("\n")[0]
    seen = numbers(answer)
    left = re.fullmatch(r'1000 lines, 1000 match\. (\d+) of them are not shown: ask with lines "(\d+)-1000"\.', head)
    assert int(left[1]) == 1000 - len(seen)
    assert numbers(shown(LONG, f"{left[2]}-1000", "word"))[0] == seen[-1] + 1


@pytest.mark.parametrize("pattern", ["row 7(", "[", "*", "a{99999999999999999999}", "(?R)", "\\"])
def test_what_is_no_expression_is_searched_for_as_text(pattern):
    answer = shown(f"{HUNDRED}\nhere {pattern} is", pattern=pattern)
    assert "plain text" in answer
    assert 101 in numbers(answer)


@pytest.mark.parametrize("pattern", [r"(a|aa)+$", r"((a{1,50}){1,50}){1,50}b", r"^(.*?,){30}x"])
def test_an_expression_that_takes_for_ever_is_searched_for_as_text(pattern):
    answer = shown("\n".join(["a" * 390 + "!", "1," * 150, pattern] * 3), pattern=pattern)
    assert numbers(answer)
    assert 3 in numbers(answer)


def test_long_lines_are_wrapped_between_their_values():
    answer = shown(JSON, pattern='"item 321"')
    assert '{"id":321,"name":"item 321"}' in answer
    assert len(answer) < 1500


def test_a_megabyte_is_searched():
    text = "\n".join(f"2026-11-25 INFO worker {n} did {n * 7919 % 100003}" for n in range(25_000)) + "\nthe needle"
    assert 25_001 in numbers(shown(text, pattern="the n.*e$"))
