"""What pydantic has to say about a file, in the words of the file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.api import Path
from gateway.config.problems import Problem, did_you_mean
from gateway.config.source import Source
from gateway.config.vocabulary import bare_text, expectation, known_keys, listed

SECRETS = frozenset({"api_key", "key", "master_key"})  # never repeated, whatever stands there
# The endings of pydantic's names for errors that `expectation` answers; a plugin's schema may bring others.
_TOLD = ("_type", "_parsing", "_from_float", "literal_error", "enum", "_number", "_equal", "_than", "_short")
VARIABLE = "`${NAME}`, the name of an environment variable"


def problems(error: ValidationError, source: Source, schema: type[BaseModel], under: Path = ()) -> list[Problem]:
    """Every error of a validation as a problem at its place; `under` is where in the file the validated part stands."""
    return [_problem(detail, source, schema, under) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, source: Source, schema: type[BaseModel], under: Path) -> Problem:
    inner = tuple(step for step in detail["loc"] if step != "[key]")
    path = (*under, *inner)
    dotted = name_of(path)
    if detail["type"] == "extra_forbidden":
        known = known_keys(schema, inner[:-1])
        message = f"unknown key `{path[-1]}`{did_you_mean(str(path[-1]), known)}"
        return source.problem(path, message, f"one of {listed(sorted(known))}", key=True)
    if detail["type"] == "missing":
        message = f"`{path[-1]}` has no value" if path in source.places else f"`{path[-1]}` is missing"
        return source.problem(path, message, expectation(schema, inner), key=True)
    expected = expectation(schema, inner)
    if not expected or not detail["type"].endswith(_TOLD):
        return source.problem(path, f"`{dotted}`: {detail['msg']}")
    if path and path[-1] in SECRETS:
        return source.problem(path, f"`{dotted}` is not {expected}", VARIABLE)
    if detail["type"] == "string_type" and isinstance(detail["input"], bool | int | float):
        expected = f'text: write it in quotes, "{bare_text(detail["input"])}"'
    return source.problem(path, f"`{dotted}` is {_shown(source, path, detail['input'])}", expected)


def name_of(path: Path) -> str:
    """A path as people write it: `tiers.weak.models[0].name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the file"


def _shown(source: Source, path: Path, value: Any) -> str:
    """What kind of thing a value is, or its text."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "empty"
    if value == "":
        return "empty"
    return source.shown(path, bare_text(value))
