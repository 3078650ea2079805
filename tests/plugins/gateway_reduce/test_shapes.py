"""Records of shapes that earlier results have shown: a reader who sees nothing but what is sent reads them back."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.records import shorten
from gateway_reduce.shapes import Shapes

INTRODUCTION = re.compile(r"the keys(?: at (?P<path>\S+))? of (?P<name>the result of \S+), each row has")
STEP = re.compile(r"\[(\d+)\]|\.?([A-Za-z_][\w-]*)")
Columns = list[tuple[str, "Columns | None", bool]]  # a key, the columns of its records, whether it is a list of them


class Reader:
    """What a model is asked to do: resolve the names by the results it sees, then read rows by their columns."""

    def __init__(self) -> None:
        self._shown: dict[str, Any] = {}
        self._names: dict[str, Columns] = {}

    def read(self, name: str, text: str) -> Any:
        self._shown[name] = json.loads(text)
        return self._value(self._shown[name])

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        columns = self._columns_of_table(value)
        if columns is None:
            return {key: self._value(item) for key, item in value.items()}
        if "row" in value:
            return self._record(value["row"], columns)
        if "rows" in value:
            return _each(value["rows"], lambda row: self._record(row, columns))
        return _each(value["lists of rows"], lambda rows: _each(rows, lambda row: self._record(row, columns)))

    def _columns_of_table(self, value: dict[str, Any]) -> Columns | None:
        for key, words in value.items():
            found = INTRODUCTION.match(words) if key.startswith("#") and isinstance(words, str) else None
            if found:
                self._names[key] = self._at(self._shown[found["name"]], found["path"] or "")
        columns = value.get("columns")
        named = columns if isinstance(columns, str) else columns[0] if isinstance(columns, list) and columns else None
        if isinstance(named, str) and named in self._names:
            more = columns[1:] if isinstance(columns, list) else []
            return self._names[named] + [(key, None, False) for key in more]
        return _stated(columns) if str(value.get("note")).startswith("a table") else None

    def _at(self, value: Any, path: str) -> Columns:
        for at, key in STEP.findall(path):
            value = value[int(at)] if at else value[key]
        found = self._visible(value)
        assert found is not None, "the place shows keys"
        return found[0]

    def _visible(self, value: Any) -> tuple[Columns, bool] | None:
        """The columns of the records that a reader sees at a place, and whether they stand in a list."""
        if isinstance(value, list):
            inner = self._visible(value[0]) if value and all(isinstance(item, dict) for item in value) else None
            if inner is None or inner[1] or any(self._visible(item) != inner for item in value):
                return None
            return inner[0], True
        if not isinstance(value, dict):
            return None
        columns = self._columns_of_table(value)
        if columns is not None:
            return columns, "row" not in value
        return [(key, *(self._visible(item) or (None, False))) for key, item in value.items()], False

    def _record(self, row: Any, columns: Columns) -> Any:
        if not isinstance(row, list):
            return self._value(row)
        record = {}
        for cell, (key, inner, listed) in zip(row, columns, strict=True):
            if cell == "∅":
                continue
            if inner is None or not isinstance(cell, list):
                record[key] = self._value(cell)
            else:
                record[key] = [self._record(item, inner) for item in cell] if listed else self._record(cell, inner)
        return record


def _each(rows: Any, read: Any) -> Any:
    return {key: read(row) for key, row in rows.items()} if isinstance(rows, dict) else [read(row) for row in rows]


def _stated(columns: list[Any]) -> Columns:
    stated: Columns = []
    for column in columns:
        if isinstance(column, str):
            stated.append((column, None, False))
            continue
        ((key, inner),) = column.items()
        listed = isinstance(inner[0], list)
        stated.append((key, _stated(inner[0] if listed else inner), listed))
    return stated


def written(values: list[Any]) -> list[str]:
    shapes, texts = Shapes(), []
    for at, value in enumerate(values):
        found = shorten(json.dumps(value), shapes, f"the result of call_{at}")
        shapes.learn(found.seen, found.named)
        texts.append(found.text)
    return texts


def read_back(texts: list[str]) -> list[Any]:
    reader = Reader()
    return [reader.read(f"the result of call_{at}", text) for at, text in enumerate(texts)]


def reservation(number: int, **more: Any) -> dict[str, Any]:
    return {
        "reservation_identifier": f"R{number}",
        "passenger_address": {"street_and_number": f"{number} Elm Avenue", "postal_code": "75001"},
        "scheduled_flights": [{"flight_number": f"F{n}", "departure_date": "2024-05-01"} for n in range(number)],
        "checked_baggage_count": number,
    } | more


def test_a_record_seen_again_is_a_row_under_a_name():
    values = [reservation(2), reservation(3), {"data": [reservation(1, status="cancelled")]}, reservation(0)]
    texts = written(values)
    assert read_back(texts) == values
    assert texts[0] == json.dumps(values[0], separators=(",", ":")), "the first sight costs nothing"
    assert "the result of call_0" in texts[1]
    assert '"row":["R3"' in texts[1]
    assert '"columns":["#1","status"]' in texts[2]
    assert texts[3].startswith('{"columns":"#1","row":["R0"')


def test_lists_of_lists_of_records_are_one_table():
    flights = [{"flight_number": f"F{n}", "scheduled_departure": "10:00", "seats": n} for n in range(4)]
    values = [[flights[:2], flights[2:]], [flights[:1], flights]]
    texts = written(values)
    assert read_back(texts) == values
    assert texts[0].count("flight_number") == 1
    assert '"columns":"#1","lists of rows":' in texts[1]


def test_what_is_not_shown_gets_no_name():
    shapes = Shapes()
    shorten(json.dumps(reservation(2)), shapes, "the result of call_0")  # and the caller kept the text as it was
    nameless = shorten(json.dumps(reservation(2)), shapes, "")
    assert not nameless.seen
    shapes.learn(nameless.seen, nameless.named)
    assert '"#1"' not in shorten(json.dumps(reservation(3)), shapes, "the result of call_2").text


def test_a_document_that_uses_such_names_itself_is_left_out():
    texts = written([reservation(2), reservation(3, channel="#1"), reservation(1)])
    assert '"columns"' not in texts[1]
    assert '"columns":"#1"' in texts[2]


KEYS = st.sampled_from(["identifier", "description", "a key of many words", "data", "#1", "columns", "row"])
BARE = st.none() | st.integers(0, 9) | st.sampled_from(["text", "", "∅", "1.10"])
RECORD = st.fixed_dictionaries(
    {"customer_identifier": BARE, "billing_address": BARE},
    optional={
        "order_items": st.lists(
            st.fixed_dictionaries({"product_identifier": BARE}, optional={"price": BARE}) | BARE, max_size=3
        ),
        "shipping_address": st.fixed_dictionaries({"street_and_number": BARE, "postal_code": BARE}) | BARE,
        "description_of_state": BARE | st.lists(BARE, max_size=2),
    },
)
VALUES = st.recursive(
    RECORD | RECORD | BARE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
).filter(lambda value: isinstance(value, list | dict))


@settings(max_examples=250, deadline=None)
@given(st.lists(VALUES, max_size=6))
def test_any_session_reads_back(values):
    texts = written(values)
    assert read_back(texts) == values
    assert all(len(text) <= len(json.dumps(value)) for text, value in zip(texts, values, strict=True))
    assert written(values[:3]) == texts[:3], "what comes later changes nothing"
    for text in texts:
        if '"columns"' in text:
            again = shorten(text, Shapes(), "the result of call_9")
            assert again.text == text
