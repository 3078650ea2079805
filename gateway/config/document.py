"""A file that was read but not yet judged: values of any shape, with the means to say where each stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from yaml.reader import Reader

from gateway.api import Path
from gateway.config.environment import Reference, interpolate
from gateway.config.problems import ConfigError, Problem, Spot
from gateway.config.source import Source
from gateway.config.tree import parse

MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """The file's values with references resolved (`value`), what was referred to where, and what stood there before
    (`raw`). A key without a value counts as not given, but for plugins' settings."""

    source: Source
    raw: Any
    value: Any
    references: Mapping[Path, Reference]
    problems: tuple[Problem, ...]

    def at(self, *path: str | int, raw: bool = False) -> Any:
        """The value at a path, `None` where there is none."""
        value = self.raw if raw else self.value
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def unset(self, *path: str | int) -> tuple[str, ...]:
        """The variables without a value that the text at a path refers to."""
        reference = self.references.get(path)
        return reference.unset if reference else ()

    def entries(self, *path: str | int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The mappings in the list or mapping at a path; what is no mapping is the schema's problem."""
        value = self.at(*path)
        pairs = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
        for step, child in pairs:
            if isinstance(child, dict):
                yield (*path, step), child


def read(file: FilePath, env: Mapping[str, str]) -> Document:
    """Raises `ConfigError` where no document can be made of the file at all."""
    tree = parse(_text(file), file)
    if not isinstance(tree.value, dict):
        what = "the file is empty" if tree.value is None else "the file is not a mapping"
        raise ConfigError([*tree.problems, Problem(file, 1, 1, what, "keys such as `server:` and `tiers:`")])
    literal = frozenset({("routing", "task_types")})  # expressions, where `${` has a meaning of its own
    value, references = interpolate(tree.value, env, literal)
    variables = {path: reference.names for path, reference in references.items()}
    return Document(replace(tree.source, variables=variables), tree.value, _given(value), references, tree.problems)


def _given(root: dict[str, Any]) -> dict[str, Any]:
    """The mapping without keys that have no value; the plugins' part as it is."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(child) for key, child in value.items() if child is not None}
        if isinstance(value, list):
            return [walk(child) for child in value]
        return value

    kept = {key: value if key == "plugins" else walk(value) for key, value in root.items()}
    return {key: value for key, value in kept.items() if value is not None}


def _text(file: FilePath) -> str:
    def unusable(message: str, expected: str) -> ConfigError:
        return ConfigError([Problem(file, 1, 1, message, expected)])

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise unusable("there is no such file", "a tiers.yaml; `thriftgate init` writes one") from None
    except IsADirectoryError:
        raise unusable("this is a directory", "a file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise unusable(f"the file cannot be read: {reason or error}", "a readable file") from None
    if len(data) > MAX_BYTES:
        raise unusable(f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB", "a configuration file")
    return _decoded(data, file)


def _decoded(data: bytes, file: FilePath) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        spot = _spot_after(data[: error.start].decode("utf-8", "replace"))
        raise ConfigError([Problem(file, *spot, "this is not UTF-8 text", "a YAML file in UTF-8")]) from None
    unprintable = Reader.NON_PRINTABLE.search(text)  # the parser would refuse it too, but not say where
    if unprintable:
        spot = _spot_after(text[: unprintable.start()])
        raise ConfigError([Problem(file, *spot, f"the control character U+{ord(unprintable[0]):04X}", "text")])
    return text


def _spot_after(text: str) -> Spot:
    return Spot(text.count("\n") + 1, len(text) - text.rfind("\n"))
