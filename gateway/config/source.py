"""Where in the file everything stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Literal

from gateway.api import Path
from gateway.config.problems import START, Problem, Spot


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, and the key that leads to it (for a list's item the value's own place)."""

    key: Spot
    value: Spot


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the place of each of its values, by the path of keys and list positions that leads there.

    `variables` are the environment's names that a value refers to.
    """

    file: FilePath
    places: Mapping[Path, Place]
    variables: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    def shown(self, path: Path, text: str) -> str:
        """The value at a path as it may be repeated to people: never what came from the environment, and no novels."""
        names = self.variables.get(path)
        if names:
            return f"the value of {' and '.join(names)}"
        return f"`{text[:60]}...`" if len(text) > 60 else f"`{text}`"

    def locate(self, path: Path, *, key: bool = False) -> Spot:
        """The place of a value, or of its key; of what is around it where the path leads to nothing."""
        for length in range(len(path), -1, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return place.key if key and length == len(path) else place.value
        return START

    def problem(
        self,
        path: Path,
        message: str,
        expected: str = "",
        *,
        key: bool = False,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at the value of a path, or at its key."""
        return Problem(self.file, *self.locate(path, key=key), message, expected, severity)
