"""The routing part: the baseline and the task types must exist, expressions must compile, steps must ascend."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.api import Path
from gateway.config.checks.models import all_models
from gateway.config.checks.names import check_names
from gateway.config.document import Document
from gateway.config.environment import as_plain
from gateway.config.problems import Problem, did_you_mean

# `(a+)+`: the ways to divide a text among the two grow exponentially with its length. Only what can be seen at once, so
# a warning: a group without groups inside, which ends in a repeat or in what may be missing behind one.
_MORE = r"(?:[+*]|\{\d+,\})"
_EXPLODES = re.compile(rf"\([^()]*{_MORE}\??(?:\\?[\w. ]?[?*])*\){_MORE}")
_ESCAPES = re.compile(r"\\[^\w]|\[[^\]]*\]")


def check_routing(document: Document, shipped_task_types: frozenset[str]) -> Iterator[Problem]:
    yield from _baseline(document)
    yield from _forced(document, shipped_task_types)
    yield from check_names(document, ("routing", "task_types"))
    yield from _patterns(document)
    for factor in ("context_size", "breadth"):
        path: Path = ("routing", "factors", factor)
        steps = document.at(*path)
        if isinstance(steps, list) and all(isinstance(step, dict) for step in steps):
            yield from _open_end(document, path, steps)
            yield from _ascending(document, path, steps)


def _baseline(document: Document) -> Iterator[Problem]:
    path = ("routing", "baseline")
    baseline = document.at(*path)
    names = [model["name"] for _, model in all_models(document) if isinstance(model.get("name"), str)]
    if isinstance(baseline, str) and "/" not in baseline and baseline not in names:
        message = f"no model is named {document.source.shown(path, baseline)}{did_you_mean(baseline, names)}"
        yield document.source.problem(path, message, "the name of a model in this file, or `provider/model`")


def _forced(document: Document, shipped: frozenset[str]) -> Iterator[Problem]:
    own = document.at("routing", "task_types")
    known = list(own) if isinstance(own, dict) else sorted(shipped)
    forced = document.at("routing", "force_strong_for")
    for at, name in enumerate(forced if isinstance(forced, list) else ()):
        if isinstance(name, str) and name not in known:
            path = ("routing", "force_strong_for", at)
            message = f"no task type is named {document.source.shown(path, name)}{did_you_mean(name, known)}"
            yield document.source.problem(path, message, "a name of `routing.task_types`")


def _patterns(document: Document) -> Iterator[Problem]:
    for path, entry in document.entries("routing", "task_types"):
        patterns = entry.get("patterns")
        for at, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
            if isinstance(pattern, str):
                yield from _pattern(document, (*path, "patterns", at), pattern)


def _pattern(document: Document, path: Path, pattern: str) -> Iterator[Problem]:
    shown, reason = document.source.shown(path, pattern), _fault(pattern)
    if reason:
        message = f"{shown} is no regular expression: {reason}"
        yield document.source.problem(path, message, "an expression that Python's `re` takes")
    elif _EXPLODES.search(_ESCAPES.sub("", pattern)):
        expected = "one repeat, as in `a+` for `(a+)+`: some texts would stop the gateway for minutes"
        yield document.source.problem(path, f"{shown} repeats what itself repeats", expected, severity="warning")


def _fault(pattern: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `[[a]` compiles; Python only warns that its meaning may change
            re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None


def _open_end(document: Document, path: Path, steps: Sequence[dict[str, Any]]) -> Iterator[Problem]:
    for at, step in enumerate(steps):
        if at == len(steps) - 1 and "up_to" in step:
            message = "nothing holds above the last step, since it has an `up_to`"
            yield document.source.problem((*path, at, "up_to"), message, "a last step with `points` only", key=True)
        elif at < len(steps) - 1 and "up_to" not in step:
            yield document.source.problem((*path, at), "a step without `up_to` that is not the last", "`up_to`")


def _ascending(document: Document, path: Path, steps: Sequence[dict[str, Any]]) -> Iterator[Problem]:
    for key in ("up_to", "points"):
        before: float | None = None
        for at, step in enumerate(steps):
            value = as_plain(step.get(key))
            if not isinstance(value, int | float):
                continue
            if before is not None and (value < before or (value == before and key == "up_to")):
                message = f"`{key}` is {value:g} after {before:g}"
                yield document.source.problem((*path, at, key), message, "steps that ascend")
            before = value
