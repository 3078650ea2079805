"""The shapes of records a conversation has shown: what keys they have, where they stand, and the name they go by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

LEAST_KEYS = 25  # characters of JSON that a record's keys take: a shape with less is not worth a name
MOST = 300  # shapes of one conversation; later ones stay nameless
NEAR = 8  # shapes with the same first key that are compared when none has exactly the keys of a record
FULL = 0.75  # the share of a table's cells that records must fill to count as alike
HOLE = 4  # characters that a key the record lacks costs

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]{0,39}")
LONGEST_PATH = 80  # characters

Path = tuple["Path | None", str | int]


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of a record in their order, each with the shape of the records below it, `None` for plain values.

    `listed` is true where each value is a list of such records.
    """

    columns: dict[str, Shape | None]
    listed: bool = False
    nested: tuple[tuple[str, Shape], ...] = field(init=False)
    weight: int = field(init=False)  # characters of JSON that the keys of one record take, without nested ones

    def __post_init__(self) -> None:
        object.__setattr__(self, "nested", tuple((key, inner) for key, inner in self.columns.items() if inner))
        object.__setattr__(self, "weight", sum(len(key) + 3 for key in self.columns))

    @property
    def whole_weight(self) -> int:
        return self.weight + sum(inner.whole_weight for _, inner in self.nested)


@dataclass(frozen=True, slots=True)
class Known:
    """A shape and where it can be read: in the result `name` at `path`, as a record's keys or a table's columns."""

    shape: Shape
    name: str
    path: str

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.shape.columns)


class Shapes:
    """Grows by one result at a time. A shape gets its number when a result first refers to it."""

    def __init__(self) -> None:
        self._known: dict[frozenset[str], Known] = {}
        self._by_first: dict[str, list[frozenset[str]]] = {}
        self._numbers: dict[frozenset[str], int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, keys: frozenset[str]) -> Known | None:
        return self._known.get(keys)

    def number(self, keys: frozenset[str]) -> int | None:
        """The number by which results refer to a shape; `None` as long as none has."""
        return self._numbers.get(keys)

    @property
    def named(self) -> int:
        return len(self._numbers)

    def nearest(self, keys: list[str]) -> Known | None:
        """The shape that leaves least to say about a record of these keys; `None` where none is near."""
        exact = self._known.get(frozenset(keys))
        if exact is not None or not keys:
            return exact
        best, most = None, 0
        for candidate in self._by_first.get(keys[0], ())[-NEAR:]:
            shared = [key for key in keys if key in candidate]
            missing = len(candidate) - len(shared)
            if len(shared) < FULL * len(candidate) or 2 * len(shared) < len(keys):
                continue
            saved = sum(len(key) + 3 for key in shared) - HOLE * missing
            if saved > most:
                best, most = self._known[candidate], saved
        return best

    def learn(self, seen: Sequence[Known], named: Sequence[frozenset[str]]) -> None:
        """Take up what a result shows, once it is certain that the model will see it in this form."""
        for known in seen:
            keys = known.keys
            before = self._known.get(keys)
            if before is None:
                if len(self._known) >= MOST:
                    continue
                self._by_first.setdefault(next(iter(known.shape.columns)), []).append(keys)
            elif keys in self._numbers or known.shape.whole_weight <= before.shape.whole_weight:
                continue  # what has a number keeps its meaning
            self._known[keys] = known
        for keys in named:
            self._numbers.setdefault(keys, len(self._numbers) + 1)


def path_text(path: Path | None) -> str | None:
    """A place in a document as programmers write it, `data[0].user`; `None` where it can't be written so."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        elif _PLAIN_KEY.fullmatch(step):
            steps.append(f".{step}")
        else:
            return None
    text = "".join(reversed(steps)).removeprefix(".")
    return text if len(text) <= LONGEST_PATH else None
