"""A file to a `Config`, or to every problem it has; and which file that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath

from pydantic import ValidationError

from gateway.config.building import build, draft
from gateway.config.checks import crosscheck
from gateway.config.document import Document, read
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import FileSchema, RoutingSection
from gateway.config.values import Config, Draft
from gateway.config.wording import problems as worded

_HERE = FilePath(__file__).parent


def shipped() -> FilePath:
    """The file that comes with the product: package data of a wheel, the root of a checkout."""
    packaged = _HERE / "tiers.yaml"
    return packaged if packaged.is_file() else _HERE.parents[1] / "tiers.yaml"


def find(explicit: FilePath | None = None) -> FilePath:
    """The file to use: the one asked for, whether it exists or not; else `./tiers.yaml`; else the shipped one."""
    if explicit is not None:
        return explicit
    local = FilePath("tiers.yaml")
    return local if local.is_file() else shipped()


def load(
    path: FilePath, env: Mapping[str, str], *, installed: Callable[[Draft], Iterable[Problem]] = lambda _: ()
) -> Config:
    """Raises `ConfigError`, and nothing else, with all that is wrong. `installed` says what is wrong with the plugins
    that the file names, which this room cannot tell."""
    document = read(path, env)
    inherited = _inherited(document)
    checked = [*crosscheck(document, frozenset(inherited.task_types or {})), *installed(draft(document))]
    found = [*document.problems, *_one_a_place(checked)]
    told = {(problem.line, problem.column) for problem in found if problem.severity == "error"}
    try:
        schema = FileSchema.model_validate(document.value)
    except ValidationError as error:
        wrong = worded(error, document.source, FileSchema)
        raise ConfigError([*found, *(one for one in wrong if (one.line, one.column) not in told)]) from None
    if any(problem.severity == "error" for problem in found):
        raise ConfigError(found)
    return build(document, schema, inherited, tuple(found))


def _inherited(document: Document) -> RoutingSection:
    """The shipped file's routing, where this one leaves out factors or task types: they are its defaults."""
    routing = document.at("routing")
    given = routing if isinstance(routing, dict) else {}
    factors = given.get("factors")
    complete = isinstance(factors, dict) and {"context_size", "task_type", "breadth", "past_failures"} <= set(factors)
    if complete and "task_types" in given:
        return RoutingSection()
    return FileSchema.model_validate(read(shipped(), {}).value).routing


def _one_a_place(problems: Iterable[Problem]) -> list[Problem]:
    """One problem a place: the first one says why the others are there."""
    kept: dict[tuple[int, int], Problem] = {}
    for problem in problems:
        kept.setdefault((problem.line, problem.column), problem)
    return list(kept.values())
