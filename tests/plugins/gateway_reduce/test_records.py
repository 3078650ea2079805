from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.records import ABSENT, tabulate


def untabulate(value: Any) -> Any:
    """The reading a model is asked to do: tables back to records."""
    if isinstance(value, list):
        return [untabulate(item) for item in value]
    if not isinstance(value, dict):
        return value
    if {"note", "columns"} < value.keys() and str(value["note"]).startswith("a table"):
        if "rows" in value:
            return _records(value["rows"], lambda row: _record(row, value["columns"]))
        return _records(value["lists of rows"], lambda rows: _records(rows, lambda row: _record(row, value["columns"])))
    return {key: untabulate(item) for key, item in value.items()}


def _records(rows: Any, read: Callable[[Any], Any]) -> Any:
    return {key: read(row) for key, row in rows.items()} if isinstance(rows, dict) else [read(row) for row in rows]


def _record(row: list[Any], columns: list[Any]) -> dict[str, Any]:
    record = {}
    for cell, column in zip(row, columns, strict=True):
        if cell == ABSENT:
            continue
        if isinstance(column, str):
            record[column] = untabulate(cell)
            continue
        ((key, inner),) = column.items()
        if not isinstance(cell, list):
            record[key] = untabulate(cell)
        elif isinstance(inner[0], list):
            record[key] = [_record(item, inner[0]) if isinstance(item, list) else untabulate(item) for item in cell]
        else:
            record[key] = _record(cell, inner)
    return record


ORDERS = [
    {
        "order": f"#W{n}",
        "address": {"street": f"{n} Elm Avenue", "city": "Dallas"} if n % 3 else None,
        "items": [{"name": "lamp", "price": 12.5, "options": {"colour": "red"}} for _ in range(n % 3)],
        **({"note to the courier": "ring twice"} if n != 2 else {}),
    }
    for n in range(6)
]


def test_like_records_become_a_table_that_reads_back():
    text = json.dumps(ORDERS, indent=2)
    short = tabulate(text)
    assert len(short) < len(text) / 2
    assert short.count('"street"') == short.count('"price"') == 1
    assert untabulate(json.loads(short)) == ORDERS


def test_a_map_of_like_records_keeps_its_names():
    users = {f"user_{n}": {"first_name": "Ada", "last_name": f"L{n}", "membership": "gold"} for n in range(5)}
    short = tabulate(json.dumps({"users": users}))
    assert untabulate(json.loads(short)) == {"users": users}
    assert short.count("membership") == 1


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"a":1,"b":[1,2]}'),
        ("[1.10, 1e5, -0, -0.0, 3.0, 12345678901234567890123]", "[1.10,1e5,-0,-0.0,3.0,12345678901234567890123]"),
        (r'{"name": "Caf\u00e9 \ud83d\ude00"}', '{"name":"Café 😀"}'),
        (r'{"stdout": "\u001b[32mok\u001b[0m"}', '{"stdout":"ok"}'),
    ],
)
def test_values_stay_as_written(text, short):
    assert tabulate(text) == short


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": 1',
        "[1, 2] and more",
        "no json at all",
        "",
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        "[" * 80 + "1, 2" + "]" * 80,
        r'["\ud800", 1]',
        '["\ud800",  1]',
        "[" + "9" * 5_000 + " ]",
    ],
)
def test_what_would_lose_something_stays(text):
    assert tabulate(text) == text


def test_absent_cells_need_a_sign_of_their_own():
    records = [{"id": n, "name": "a name that repeats", "state": ABSENT} for n in range(9)]
    assert json.loads(tabulate(json.dumps(records, ensure_ascii=False))) == records


def test_nested_lists_cost_no_more_than_their_size():
    value: Any = 1
    for _ in range(25):
        value = [{"key": [value, 1], "other": "x"}, {"key": 1, "other": "y"}]
    tabulate(json.dumps(value))  # two ways at each level would be 2**25 steps


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from("abcde"), inner, max_size=4)
        | st.lists(st.fixed_dictionaries({"identifier": inner, "description": inner}), min_size=2, max_size=8)
    ),
    max_leaves=40,
)


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_any_document_reads_back(value):
    text = json.dumps(value)
    short = tabulate(text)
    assert untabulate(json.loads(short)) == value
    assert tabulate(short) == short
