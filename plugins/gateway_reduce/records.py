"""JSON without blanks, and lists of like records as a table: the keys once, then one row of values for each record.

The result is JSON again. A column is a key; `{"key": [...]}` is a nested record, its values in a list of that order,
and `{"key": [[...]]}` a list of such records. Where a record lacks a key of the others, a sign that the document does
not use otherwise stands in its row, and the table names that sign under `absent`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway_reduce.exact import NotPlainJson, rewritten, written
from gateway_reduce.terminal import clean

DEEPEST = 60  # levels: deeper values are left as they are
LARGEST = 2_000_000  # characters: parsing more would hold up the requests of others
NOTE = "a table: each row is one record, its values in the order of columns"
FEWEST = 2  # records
LEAST_GAIN = 40  # characters a table has to save
FULL = 0.75  # the share of a table's cells that records must fill to count as alike
ABSENT = "∅"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What like records have in common: each key with the shape of its values, `None` for plain ones.

    `listed` is true where each value is a list of such records, `holes` where some record lacks a key. `saved` counts
    the characters of JSON that go when the keys are written once. The last two include nested shapes.
    """

    columns: dict[str, _Shape | None]
    holes: bool
    saved: int
    listed: bool = False


def tabulate(text: str) -> str:
    """The JSON document `text`, shorter and with the same meaning; any other text as it is."""
    if len(text) > LARGEST:
        return text

    def shorter(value: Any) -> Any:
        if "\\u001b" in text or "\\u001B" in text:
            value = _clean_strings(value, DEEPEST)
        ambiguous = ABSENT in text or "\\u2205" in text
        return value if ambiguous else _shorten(value, DEEPEST)

    return rewritten(text, shorter)


def _clean_strings(value: Any, depth: int) -> Any:
    if not depth:
        raise NotPlainJson("too deep")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_clean_strings(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {key: _clean_strings(item, depth - 1) for key, item in value.items()}
    return value


def _shorten(value: Any, depth: int) -> Any:
    """Every list or map of like records in `value` as a table, where that is shorter."""
    if not depth:
        raise NotPlainJson("too deep")
    if isinstance(value, list):
        if len(value) >= FEWEST and (keys := _shared_keys(value)):
            return _table(value, value, keys, depth)
        return [_shorten(item, depth - 1) if isinstance(item, list | dict) else item for item in value]
    if isinstance(value, dict):
        inner = list(value.values())
        if len(inner) > FEWEST and (keys := _shared_keys(inner)):
            return _table(value, inner, keys, depth)
        return {
            key: _shorten(item, depth - 1) if isinstance(item, list | dict) else item for key, item in value.items()
        }
    return value


def _table(value: Any, records: list[Json], keys: list[str], depth: int) -> Any:
    shape = _shape(records, keys, depth)
    table: Json = {"note": NOTE, "columns": _columns(shape)}
    if shape.saved - len(written(table)) < LEAST_GAIN:
        return _like(value, [{key: _shorten(item, depth - 1) for key, item in record.items()} for record in records])
    if shape.holes:
        table["absent"] = ABSENT
    table["rows"] = _like(value, [_row(record, shape, depth) for record in records])
    return table


def _like(value: Any, rows: list[Any]) -> Any:
    """`rows` in the place of the records: a list for a list, under the same names for a map."""
    return rows if isinstance(value, list) else dict(zip(value, rows, strict=True))


def _shared_keys(values: list[Any]) -> list[str]:
    """The keys of records that are alike, in the order they come up; empty where they are not alike."""
    first = values[0]
    if not isinstance(first, dict) or not first or not all(isinstance(value, dict) for value in values):
        return []
    keys = dict.fromkeys(first)
    if all(value.keys() == keys.keys() for value in values):
        return list(keys)
    filled = 0
    for value in values:
        filled += len(value)
        keys.update(dict.fromkeys(value))
    return list(keys) if filled >= FULL * len(keys) * len(values) else []


def _shape(records: list[Json], keys: list[str], depth: int, *, listed: bool = False) -> _Shape:
    if not depth:
        raise NotPlainJson("too deep")
    columns: dict[str, _Shape | None] = {}
    saved, holes = 0, False
    for key in keys:
        values = [record[key] for record in records if key in record]
        inner = columns[key] = _inner_shape(values, depth - 1)
        saved += len(values) * (len(key) + 3) - (len(records) - len(values)) * (len(ABSENT) + 3)
        saved += inner.saved if inner else 0
        holes = holes or len(values) < len(records) or (inner is not None and inner.holes)
    return _Shape(columns, holes, saved, listed)


def _inner_shape(values: list[Any], depth: int) -> _Shape | None:
    present = [value for value in values if value is not None]
    if not present:
        return None
    if isinstance(present[0], dict):
        keys = _shared_keys(present)
        return _shape(present, keys, depth) if keys else None
    if all(isinstance(value, list) for value in present):
        inner = [item for value in present for item in value]
        keys = _shared_keys(inner) if inner else []
        return _shape(inner, keys, depth, listed=True) if keys else None
    return None


def _columns(shape: _Shape) -> list[Any]:
    columns: list[Any] = []
    for key, inner in shape.columns.items():
        if inner is None:
            columns.append(key)
        else:
            columns.append({key: [_columns(inner)] if inner.listed else _columns(inner)})
    return columns


def _row(record: Json, shape: _Shape, depth: int) -> list[Any]:
    row: list[Any] = []
    for key, inner in shape.columns.items():
        value = record.get(key, ABSENT)
        if isinstance(value, list | dict):
            value = _cell(value, inner, depth - 1)
        row.append(value)
    return row


def _cell(value: Any, shape: _Shape | None, depth: int) -> Any:
    if shape is None:
        return _shorten(value, depth)
    if shape.listed:
        return [_row(item, shape, depth - 1) for item in value]
    return _row(value, shape, depth)
