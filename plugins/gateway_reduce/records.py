"""JSON without blanks, and records without their keys: the keys once, then one row of values for each record.

The result is JSON again. A list or map of like records becomes a table; a column is a key, `{"key": [...]}` is a nested
record, its values in a list of that order, and `{"key": [[...]]}` a list of such records. Where a record lacks a key of
the others, a sign that the document does not use otherwise stands in its row, and the table names that sign under
`absent`. A record whose keys an earlier result has shown is written as a row under the name of its shape, `"#1"`; the
first result that uses a name says where the keys can be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway_reduce.exact import DEEPEST, NotPlainJson, may_be_json, read, write, written
from gateway_reduce.fits import FEWEST, Fit, columns_of, like, records_in, shape_of, shared_keys, weigh
from gateway_reduce.shapes import LEAST_KEYS, Known, Path, Shape, Shapes, path_text
from gateway_reduce.terminal import clean

NOTE = "a table: each row is one record, its values in the order of columns"
LEAST_GAIN = 40  # characters a table has to save
LEAST_NAMED = 24  # characters that suffice where a shape gets its name: what came twice comes again
ABSENT = "∅"
MOST_SEEN = 60  # shapes taken up from one document

LARGEST = 2_000_000  # characters: parsing more would hold up the requests of others

_NAME = re.compile(r'"#\d+"')
_REFERRED = '"columns":"#'
_REFERRED_MORE = '"columns":["#'

Json = dict[str, Any]


@dataclass(slots=True)
class Written:
    """A document as it was written, and what the conversation may take up from it if the model gets to see it."""

    text: str
    seen: Sequence[Known] = ()
    named: Sequence[frozenset[str]] = ()
    rows: bool = False  # whether anything stands in rows


def tabulate(text: str) -> str:
    """The JSON document `text`, shorter and with the same meaning; any other text as it is."""
    return shorten(text, Shapes(), "").text


def shorten(text: str, shapes: Shapes, name: str) -> Written:
    """The JSON document `text` as `tabulate` writes it, records of known shapes as rows under their name.

    `name` is how later results may speak of this one, empty if they can't. A document that was written so before stays.
    """
    if len(text) > LARGEST or not may_be_json(text) or NOTE in text or _REFERRED in text or _REFERRED_MORE in text:
        return Written(text)
    try:
        return write_value(read(text), text, shapes, name)
    except NotPlainJson:
        return Written(text)


def write_value(value: Any, text: str, shapes: Shapes, name: str) -> Written:
    """As `shorten`, for a value that was read from `text` and may have been changed since. Raises `NotPlainJson`."""
    if "\\u001b" in text or "\\u001B" in text:
        value = _clean_strings(value, DEEPEST)
    if ABSENT in text or "\\u2205" in text:
        return Written(write(value))
    usable = shapes if not ('"#' in text and _NAME.search(text)) else Shapes()
    writer = _Writer(usable, name if usable is shapes else "")
    out, _ = writer.value(value, None, DEEPEST)
    return Written(write(out), writer.seen, writer.named, writer.rows)


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


class _Writer:
    """Turns a value into a shorter one, from the outside in, taking note of the shapes a reader sees on the way."""

    def __init__(self, shapes: Shapes, name: str) -> None:
        self._shapes = shapes
        self._name = name
        self.seen: list[Known] = []
        self.named: list[frozenset[str]] = []
        self.rows = False
        self._here: set[tuple[str, ...]] = set()

    def value(self, value: Any, path: Path | None, depth: int, *, hidden: bool = False) -> tuple[Any, Shape | None]:
        """A list or object, shorter, and the shape of record that can be read where it stands.

        `hidden`: no path leads there, for it stands in a row.
        """
        if not depth:
            raise NotPlainJson("too deep")
        records, levels = records_in(value)
        keys = shared_keys(records) if records else []
        if keys:
            table = self._table(value, records, keys, levels, depth)
            if table is not None:
                out, shape = table
                if not hidden:
                    self._see(shape, path)
                return out, shape if levels == 1 and isinstance(value, list) else None
        if isinstance(value, list):
            return self._list(value, path, depth, hidden=hidden)
        return self._record(value, path, depth, hidden=hidden)

    def _list(self, value: list[Any], path: Path | None, depth: int, *, hidden: bool) -> tuple[Any, Shape | None]:
        out, shapes = [], []
        for at, item in enumerate(value):
            if not isinstance(item, list | dict):
                out.append(item)
                continue
            short, shape = self.value(item, (path, at), depth - 1, hidden=hidden)
            shapes.append(shape if isinstance(item, dict) else None)
            out.append(short)
        first = shapes[0] if shapes and len(shapes) == len(value) else None
        if first is None or first.listed or not all(shape and shape.columns == first.columns for shape in shapes):
            return out, None
        return out, Shape(first.columns, listed=True)

    def _record(self, value: Json, path: Path | None, depth: int, *, hidden: bool) -> tuple[Any, Shape | None]:
        keys = list(value)
        row = self._known_row(value, keys, depth)
        if row is not None:
            return row
        out: Json = {}
        columns: dict[str, Shape | None] = {}
        for key, item in value.items():
            out[key], columns[key] = item, None
            if isinstance(item, list | dict):
                out[key], columns[key] = self.value(item, (path, key), depth - 1, hidden=hidden)
        shape = Shape(columns) if columns else None
        if shape is not None and not hidden:
            self._see(shape, path)
        return out, shape

    def _see(self, shape: Shape, path: Path | None) -> None:
        keys = tuple(shape.columns)
        if keys in self._here or len(self.seen) >= MOST_SEEN or not self._name:
            return
        self._here.add(keys)
        if len(keys) > 1 and shape.whole_weight >= LEAST_KEYS:
            place = path_text(path)
            if place is not None:
                self.seen.append(Known(shape, self._name, place))

    def _known_row(self, value: Json, keys: list[str], depth: int) -> tuple[Any, Shape | None] | None:
        known = self._shapes.nearest(keys) if len(self._shapes) else None
        if known is None:
            return None
        fit = Fit()
        extra = [key for key in keys if key not in known.shape.columns]
        if not weigh(value, known.shape, extra, fit):
            return None
        head = self._head(known, extra, fit)
        if fit.saved - len(written(head)) - len('"row":') < self._least(known):
            return None
        self._name_it(known)
        shape = Shape(known.shape.columns | dict.fromkeys(extra))
        return {**head, "row": self._row(value, shape, depth)}, shape

    def _table(
        self, value: Any, records: list[Json], keys: list[str], levels: int, depth: int
    ) -> tuple[Any, Shape] | None:
        """The records under a shape that is known or is written here, whichever saves more; `None` if too little."""
        choices: list[tuple[int, Known | None, Json, Shape]] = []
        known = self._shapes.nearest(keys) if len(self._shapes) else None
        if known is not None:
            extra = [key for key in keys if key not in known.shape.columns]
            fit = Fit()
            if all(weigh(record, known.shape, extra, fit) for record in records):
                head = self._head(known, extra, fit)
                gain = fit.saved - len(written(head)) + LEAST_GAIN - self._least(known)
                choices.append((gain, known, head, Shape(known.shape.columns | dict.fromkeys(extra), listed=True)))
        exact = known is not None and len(known.shape.columns) == len(keys) and bool(choices)
        if not exact and len(records) >= FEWEST:
            shape, fit = shape_of(records, keys, depth, listed=True), Fit()
            if all(weigh(record, shape, [], fit) for record in records):
                head = {"note": NOTE, "columns": columns_of(shape)}
                if fit.holes:
                    head["absent"] = ABSENT
                choices.append((fit.saved - len(written(head)), None, head, shape))
        if not choices:
            return None
        gain, known, head, shape = max(choices, key=lambda choice: choice[0])
        if gain < LEAST_GAIN:
            return None
        if known is not None:
            self._name_it(known)
        rows = [self._row(record, shape, depth) for record in records]
        return {**head, "rows" if levels == 1 else "lists of rows": like(value, rows, levels)}, shape

    def _head(self, known: Known, extra: list[str], fit: Fit) -> Json:
        """What stands before rows of a known shape; where it has no name yet, what the name stands for."""
        number = self._number(known)
        name = f"#{number or self._shapes.named + len(self.named) + 1}"
        head: Json = {}
        if number is None:
            at = f" at {known.path}" if known.path else ""
            nested = ", nested ones likewise" if known.shape.nested else ""
            head[name] = f"the keys{at} of {known.name}, each row has their values in order{nested}"
        head["columns"] = [name, *extra] if extra else name
        if fit.holes:
            head["absent"] = ABSENT
        return head

    def _number(self, known: Known) -> int | None:
        number = self._shapes.number(known.keys)
        if number is None and known.keys in self.named:
            number = self._shapes.named + self.named.index(known.keys) + 1
        return number

    def _least(self, known: Known) -> int:
        return LEAST_NAMED if self._number(known) is None else LEAST_GAIN

    def _name_it(self, known: Known) -> None:
        if self._number(known) is None:
            self.named.append(known.keys)

    def _row(self, record: Json, shape: Shape, depth: int) -> list[Any]:
        self.rows = True
        if not depth:
            raise NotPlainJson("too deep")
        row = [record.get(key, ABSENT) for key in shape.columns]
        for at, (cell, inner) in enumerate(zip(row, shape.columns.values(), strict=True)):
            if isinstance(cell, list | dict):
                row[at] = self._cell(cell, inner, depth - 1)
        return row

    def _cell(self, cell: Any, shape: Shape | None, depth: int) -> Any:
        """A list where a nested shape expects one; what does not fit the shape is written in full, as an object."""
        if shape is None or isinstance(cell, list) != shape.listed:
            return self.value(cell, None, depth, hidden=True)[0]
        if not shape.listed:
            return self._fitting(cell, shape, depth)
        return [self._fitting(item, shape, depth) if isinstance(item, dict) else item for item in cell]

    def _fitting(self, record: Json, shape: Shape, depth: int) -> Any:
        if weigh(record, shape, [], Fit()):
            return self._row(record, shape, depth)
        return self.value(record, None, depth, hidden=True)[0]
