"""What is wrong with a configuration file, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, NamedTuple

from gateway.api import ThriftgateError


class Spot(NamedTuple):
    """A place in the file; both count from 1, columns in characters."""

    line: int
    column: int


START = Spot(1, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, and what was `expected` there (empty where the message says it all).

    A `warning` does not keep the file from being used.
    """

    path: Path
    line: int
    column: int
    message: str
    expected: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        text = f"{self.path}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return _one_line(f"{text}; expected {self.expected}" if self.expected else text)


def _one_line(text: str) -> str:
    """A file may hold line ends and terminal codes, escaped in its texts; its problems are a line each."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class ConfigError(ThriftgateError):
    """The file cannot be used. `problems` are all that was found, warnings included, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` for a misspelt word, empty where nothing is near."""
    near = get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f" (did you mean `{near[0]}`?)" if near else ""
