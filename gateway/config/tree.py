"""YAML text to plain values, with the place of every key and every value.

The tree is built from the parser's events and not by `yaml.compose`: libyaml's composer overruns the C stack on deeply
nested input and takes the process with it, and both composers let duplicate keys pass. Plain scalars follow YAML 1.2's
core schema: `yes` and `off` are text, and so are dates and `12:30`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from gateway.api import Path
from gateway.config.problems import START, ConfigError, Problem, Spot
from gateway.config.source import Place, Source

# A configuration is shallow and small; what passes these bounds is a mistake or an attack (aliases multiply).
MAX_DEPTH = 40
MAX_NODES = 50_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9](?:_?[0-9]){0,17}")  # a number that no setting needs stays text
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,4})?")
_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf", ".Inf", ".INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_RESOLVED_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}
_SCALAR_TAGS = _RESOLVED_TAGS | {None, "!", "tag:yaml.org,2002:str"}
_COLLECTION_TAGS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


@dataclass(frozen=True, slots=True)
class Tree:
    """The file's values and the place of each; `problems` were found on the way (duplicate keys and the like)."""

    value: Any
    source: Source
    problems: tuple[Problem, ...]


def plain(text: str) -> Any:
    """The value of an unquoted scalar: `None`, a truth value, a number, else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def parse(text: str, file: FilePath) -> Tree:
    """Raises `ConfigError` where the text is no YAML, and for what no tree can be made of."""
    try:
        node = _Composer(file).document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax(error, text, file)]) from None
    except yaml.YAMLError as error:  # a reader's error carries no mark
        raise ConfigError([Problem(file, 1, 1, f"not YAML: {error}", "a YAML file")]) from None
    unfolding = _Unfolding(file)
    value = unfolding.value(node, (), 0)
    return Tree(value, Source(file, unfolding.places), tuple(unfolding.problems))


def _syntax(error: yaml.MarkedYAMLError, text: str, file: FilePath) -> Problem:
    mark = error.problem_mark or error.context_mark
    spot = Spot(mark.line + 1, mark.column + 1) if mark else START
    lines = text.splitlines()
    line = lines[spot.line - 1] if spot.line <= len(lines) else ""
    if "\t" in line[: spot.column] and not line[: spot.column - 1].strip():
        return Problem(file, spot.line, spot.column, "a tab in the indentation", "spaces; YAML takes no tabs there")
    what = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
    begun = error.context_mark
    if begun is not None and begun.line + 1 < spot.line:
        what += f"; it begins in line {begun.line + 1}"
    return Problem(file, spot.line, spot.column, f"YAML syntax: {what}", _remedy(what, line, spot))


def _remedy(what: str, line: str, spot: Spot) -> str:
    """What is meant, most of the time, where the parser says what it says."""
    before, here = line[: spot.column - 1], line[spot.column - 1 : spot.column]
    if "flow" in what and before.endswith("$") and here == "{":
        return 'quotes around it, as everywhere inside `{}` and `[]`: "${NAME}"'
    if "flow" in what:
        return "a closing bracket, and commas between what is inside"
    if "cannot start any token" in what and here:
        return f"quotes around a text that begins with `{here}`"
    if "mapping values are not allowed" in what:
        return "quotes around a text with `: ` in it, and keys of one mapping that begin in one column"
    return "valid YAML"


@dataclass(frozen=True, slots=True)
class _Scalar:
    spot: Spot
    value: Any
    plain: bool


@dataclass(frozen=True, slots=True)
class _Sequence:
    spot: Spot
    items: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Mapping:
    spot: Spot
    pairs: tuple[tuple[_Node, _Node], ...]


_Node = _Scalar | _Sequence | _Mapping


class _Composer:
    """Events to nodes. An anchor is known once its node is complete, so no node can contain itself."""

    def __init__(self, file: FilePath) -> None:
        self._file = file
        self._anchors: dict[str, _Node] = {}

    def document(self, events: Iterator[Any]) -> _Node:
        root: _Node = _Scalar(START, None, plain=True)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._broken(event, "a second document begins here", "one document")
                root = self._node(next(events), events, 0)
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise self._broken(event, f"nested more than {MAX_DEPTH} deep", "a shallower file")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        node: _Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = _Sequence(self._spot(event, tags=_COLLECTION_TAGS), tuple(self._children(events, depth)))
        else:
            flat = list(self._children(events, depth))
            node = _Mapping(self._spot(event, tags=_COLLECTION_TAGS), tuple(zip(flat[::2], flat[1::2], strict=True)))
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _children(self, events: Iterator[Any], depth: int) -> Iterator[_Node]:
        for event in events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield self._node(event, events, depth + 1)

    def _alias(self, event: Any) -> _Node:
        if event.anchor not in self._anchors:
            raise self._broken(event, f"no anchor `&{event.anchor}` ends before `*{event.anchor}`", "a known anchor")
        return self._anchors[event.anchor]

    def _scalar(self, event: Any) -> _Scalar:
        spot = self._spot(event, tags=_SCALAR_TAGS)
        unquoted = bool(event.implicit[0]) or event.tag in _RESOLVED_TAGS
        return _Scalar(spot, plain(event.value) if unquoted else event.value, plain=bool(event.implicit[0]))

    def _spot(self, event: Any, *, tags: set[str | None]) -> Spot:
        if event.tag not in tags:
            raise self._broken(event, f"the tag `{event.tag}`", "no tag; plain values are enough here")
        return _spot(event)

    def _broken(self, event: Any, message: str, expected: str) -> ConfigError:
        return ConfigError([Problem(self._file, *_spot(event), message, expected)])


def _spot(event: Any) -> Spot:
    return Spot(event.start_mark.line + 1, event.start_mark.column + 1)


class _Unfolding:
    """Nodes to values: aliases and merge keys are followed, and every path gets its place."""

    def __init__(self, file: FilePath) -> None:
        self._file = file
        self._nodes = 0
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: _Node, path: Path, depth: int, key: Spot | None = None) -> Any:
        self._count(node, depth)
        self.places[path] = Place(key or node.spot, node.spot)
        if isinstance(node, _Scalar):
            return node.value
        if isinstance(node, _Sequence):
            return [self.value(item, (*path, at), depth + 1) for at, item in enumerate(node.items)]
        return {
            name: self.value(child, (*path, name), depth + 1, key=spot)
            for name, (spot, child) in self._entries(node, depth).items()
        }

    def _count(self, node: _Node, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            problem = Problem(
                self._file, *node.spot, "the file, with its aliases followed, is too large", "a smaller file"
            )
            raise ConfigError([*self.problems, problem])

    def _entries(self, node: _Mapping, depth: int) -> dict[str, tuple[Spot, _Node]]:
        own: dict[str, tuple[Spot, _Node]] = {}
        merged: dict[str, tuple[Spot, _Node]] = {}
        for key, child in node.pairs:
            if isinstance(key, _Scalar) and key.plain and key.value == "<<":
                merged = {**self._merged(child, depth + 1), **merged}
            elif not isinstance(key, _Scalar) or not isinstance(key.value, str) or not key.value:
                self._wrong(
                    key.spot, "a key that is not text", 'a name; a number or a word like true needs quotes: "1"'
                )
            elif key.value in own:
                first = own[key.value][0]
                self._wrong(key.spot, f"`{key.value}` stands here twice", f"it once; the first is in line {first.line}")
            else:
                own[key.value] = (key.spot, child)
        return {**merged, **own}

    def _merged(self, node: _Node, depth: int, *, in_list: bool = False) -> dict[str, tuple[Spot, _Node]]:
        """What `<<` brings in: a mapping, or a list of them of which the first wins."""
        self._count(node, depth)
        if isinstance(node, _Mapping):
            return self._entries(node, depth)
        if not isinstance(node, _Sequence) or in_list:
            self._wrong(node.spot, "`<<` of something that is no mapping", "an alias of a mapping, or a list of such")
            return {}
        found: dict[str, tuple[Spot, _Node]] = {}
        for item in node.items:
            found = {**self._merged(item, depth + 1, in_list=True), **found}
        return found

    def _wrong(self, spot: Spot, message: str, expected: str) -> None:
        problem = Problem(self._file, *spot, message, expected)
        if problem not in self.problems:  # a mapping that is merged twice is read twice
            self.problems.append(problem)
