from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.jsonlines import KEYS_BEFORE, shorten_lines


def read_back(text: str) -> str:
    """The reading a model is asked to do."""
    head, *lines = text.split("\n")
    columns = json.loads(head.removeprefix(KEYS_BEFORE))
    return "\n".join(_line(line, columns) if line.strip() else line for line in lines)


def _line(line: str, columns: list[Any]) -> str:
    start = line.find("[")
    return line[:start] + json.dumps(_record(json.loads(line[start:]), columns))


def _record(row: list[Any], columns: list[Any]) -> dict[str, Any]:
    record = {}
    for cell, column in zip(row, columns, strict=True):
        key, inner = (column, None) if isinstance(column, str) else next(iter(column.items()))
        if inner is None or not isinstance(cell, list):
            record[key] = cell
        elif isinstance(inner[0], list):
            record[key] = [_record(item, inner[0]) if isinstance(item, list) else item for item in cell]
        else:
            record[key] = _record(cell, inner)
    return record


def lines(count: int, before: str = "") -> list[str]:
    records = [
        {"time": f"10:00:{n:02}", "level": "info", "request": {"path": "/api", "user": n}, "elapsed": n / 8}
        for n in range(count)
    ]
    return [before + json.dumps(record) for record in records]


@pytest.mark.parametrize("before", ["", "2024-05-01 INFO server: "])
def test_the_keys_of_a_log_stand_once(before):
    text = "\n".join(lines(30, before)) + "\n"
    short = shorten_lines(text)
    assert short.count('"elapsed"') == 1
    assert read_back(short) == text
    assert shorten_lines(short) == short


def test_values_stay_as_written():
    text = "\n".join('{"name_of_metric": "load", "value_of_metric": 1.10, "path": "\\u00e9"}' for _ in range(9))
    assert shorten_lines(text).split("\n")[1:] == ['["load",1.10,"é"]'] * 9


@pytest.mark.parametrize(
    "odd",
    ['{"another": 1}', "no record", '{"time": 1, "time": 2}', '{"time": NaN}', "[1, 2]", '{"time": 1} {"time": 2}'],
)
def test_lines_that_are_not_all_alike_stay(odd):
    text = "\n".join([*lines(20), odd, *lines(20)])
    assert shorten_lines(text) == text


RECORDS = st.fixed_dictionaries(
    {
        "identifier_of_event": st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
        "context": st.none() | st.fixed_dictionaries({"user": st.integers()}) | st.lists(st.integers(), max_size=2),
        "steps": st.lists(st.fixed_dictionaries({"name": st.text(max_size=4)}) | st.integers(), max_size=3),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(RECORDS, min_size=8, max_size=14), st.booleans())
def test_any_lines_read_back(records, tight):
    text = "\n".join(json.dumps(record, separators=(",", ":") if tight else None) for record in records)
    short = shorten_lines(text)
    assert len(short) <= len(text)
    assert shorten_lines(short) == short
    if short != text:
        assert [json.loads(line) for line in read_back(short).split("\n")] == records
