"""How records fit a shape: which are alike, what shape they have in common, what they save as its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway_reduce.exact import NotPlainJson
from gateway_reduce.shapes import FULL, HOLE, Shape

FEWEST = 2  # records

Json = dict[str, Any]


@dataclass(slots=True)
class Fit:
    """What records save as rows of a shape: characters, and whether some record lacks a key."""

    saved: int = 0
    holes: bool = False


def weigh(record: Json, shape: Shape, extra: list[str], fit: Fit) -> bool:
    """Whether a record can be a row of a shape without doubt how to read it; what that saves is added to `fit`."""
    columns = shape.columns
    fit.saved += shape.weight
    if extra or record.keys() != columns.keys():
        missing = [key for key in columns if key not in record]
        added = [key for key in extra if key in record]
        if len(record) != len(columns) - len(missing) + len(added) or 2 * len(missing) > len(columns):
            return False
        holes = len(missing) + len(extra) - len(added)
        fit.holes = fit.holes or bool(holes)
        fit.saved += sum(len(key) + 3 for key in added) - sum(len(key) + 3 for key in missing) - HOLE * holes
    for key, inner in shape.nested:
        cell = record.get(key)
        if isinstance(cell, list) and not (inner.listed and _weigh_items(cell, inner, fit)):
            return False
        if isinstance(cell, dict) and not inner.listed:
            _weigh_inner(cell, inner, fit)
    return True


def _weigh_items(items: list[Any], shape: Shape, fit: Fit) -> bool:
    for item in items:
        if isinstance(item, list):
            return False  # it would look like a row
        if isinstance(item, dict):
            _weigh_inner(item, shape, fit)
    return True


def _weigh_inner(record: Json, shape: Shape, fit: Fit) -> None:
    """Add what a nested record saves; one that does not fit saves nothing, for it stays an object."""
    inner = Fit()
    if weigh(record, shape, [], inner):
        fit.saved += inner.saved
        fit.holes = fit.holes or inner.holes


def records_in(value: Any) -> tuple[list[Json], int]:
    """The records a list or map holds, itself (1 level) or in lists (2); empty where it holds something else."""
    inner = value if isinstance(value, list) else list(value.values())
    if not inner or (isinstance(value, dict) and len(inner) <= FEWEST):
        return [], 0
    if isinstance(inner[0], dict):
        return (inner, 1) if all(isinstance(item, dict) for item in inner) else ([], 0)
    if not isinstance(inner[0], list) or not all(isinstance(item, list) and item for item in inner):
        return [], 0
    flat = [item for items in inner for item in items]
    return (flat, 2) if all(isinstance(item, dict) for item in flat) else ([], 0)


def like(value: Any, rows: list[Any], levels: int) -> Any:
    """`rows` in the place of the records: a list for a list, under the same names for a map."""
    if levels == 2:
        left = iter(rows)
        rows = [[next(left) for _ in items] for items in (value if isinstance(value, list) else value.values())]
    return rows if isinstance(value, list) else dict(zip(value, rows, strict=True))


def shared_keys(values: list[Any]) -> list[str]:
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


def shape_of(records: list[Json], keys: list[str], depth: int, *, listed: bool = False) -> Shape:
    if not depth:
        raise NotPlainJson("too deep")
    return Shape({key: _inner_shape([r[key] for r in records if key in r], depth - 1) for key in keys}, listed)


def _inner_shape(values: list[Any], depth: int) -> Shape | None:
    present = [value for value in values if value is not None]
    if not present:
        return None
    if isinstance(present[0], dict):
        keys = shared_keys(present)
        return shape_of(present, keys, depth) if keys else None
    if all(isinstance(value, list) for value in present):
        inner = [item for value in present for item in value]
        keys = shared_keys(inner) if inner else []
        return shape_of(inner, keys, depth, listed=True) if keys else None
    return None


def columns_of(shape: Shape) -> list[Any]:
    columns: list[Any] = []
    for key, inner in shape.columns.items():
        if inner is None:
            columns.append(key)
        else:
            columns.append({key: [columns_of(inner)] if inner.listed else columns_of(inner)})
    return columns
