"""Lines that are, or end in, JSON objects with the same keys: the keys once, in a line before, then values alone.

Structured logs repeat every key on every line. What comes out is lines again, one for each line, so that what
compares lines goes on working.
"""

from __future__ import annotations

from typing import Any

from gateway_reduce.exact import NotPlainJson, read_each, write, write_each
from gateway_reduce.fits import Fit, columns_of, shape_of, shared_keys, weigh
from gateway_reduce.shapes import Shape

FEWEST = 8  # lines
LEAST_GAIN = 80  # characters
LARGEST = 2_000_000  # characters
DEPTH = 12  # levels of nested records whose keys are taken out
KEYS_BEFORE = "each line below ends in a record, written as the list of its values; their keys in order: "

Json = dict[str, Any]


def shorten_lines(text: str) -> str:
    """`text` with the keys of its lines' records stated once; any text whose lines are not all alike as it is.

    Values stay as they were written, blanks between them go. Lines that are empty stay where they are.
    """
    if not _may_be_lines(text):
        return text
    lines = text.split("\n")
    filled = [line for line in lines if line.strip()]
    if len(filled) < FEWEST:
        return text
    try:
        starts = [line.find("{") for line in filled]
        if -1 in starts:
            return text
        records = read_each([line[start:] for line, start in zip(filled, starts, strict=True)])
        shape = _common_shape(records)
        if shape is None:
            return text
        written = write_each([_row(record, shape) for record in records])
        rows = iter([line[:start] + row for line, start, row in zip(filled, starts, written, strict=True)])
        head = KEYS_BEFORE + write(columns_of(shape))
    except NotPlainJson:
        return text
    short = "\n".join([head, *(next(rows) if line.strip() else line for line in lines)])
    return short if len(text) - len(short) >= LEAST_GAIN else text


def _may_be_lines(text: str) -> bool:
    """Whether the first lines end in objects; most texts are told apart by the first one."""
    if len(text) > LARGEST or text.count("\n", 0, 200_000) < FEWEST - 1:
        return False
    first = text.lstrip("\n").split("\n", 2)[:2]
    return all("{" in line and line.rstrip().endswith("}") for line in first) and "∅" not in text


def _common_shape(records: list[Json]) -> Shape | None:
    """The shape all records fit without a hole; `None` where they have none in common."""
    keys = shared_keys(records)
    if len(keys) < 2:
        return None
    shape, fit = shape_of(records, keys, DEPTH), Fit()
    return shape if all(weigh(record, shape, [], fit) for record in records) and not fit.holes else None


def _row(record: Json, shape: Shape) -> list[Any]:
    return [_cell(record[key], inner) for key, inner in shape.columns.items()]


def _cell(cell: Any, shape: Shape | None) -> Any:
    if shape is None or not isinstance(cell, list | dict):
        return cell
    if isinstance(cell, list):
        return [_cell(item, Shape(shape.columns)) for item in cell] if shape.listed else cell
    return _row(cell, shape) if not shape.listed and weigh(cell, shape, [], Fit()) else cell
