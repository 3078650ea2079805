"""`${NAME}` and `${NAME:-default}` in the file's texts. `$${` stands for a literal `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.api import Path
from gateway.config.tree import plain

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")


class EnvText(str):
    """Text that came out of a reference. A number in it may stand where the schema wants a number."""

    __slots__ = ()


def as_plain(value: Any) -> Any:
    """Interpolated text as the value it would be if it stood in the file unquoted; anything else as it is."""
    return plain(value) if isinstance(value, EnvText) else value


@dataclass(frozen=True, slots=True)
class Reference:
    """What a text refers to. `unset` names are those without a value (an empty one counts as none) and default.

    `bare` is a text that is one `${NAME}` and nothing else; `malformed` one with a `${` that is no reference, or with
    one inside a default.
    """

    names: tuple[str, ...]
    unset: tuple[str, ...]
    bare: bool
    malformed: bool


def interpolate(value: Any, env: Mapping[str, str], literal: frozenset[Path]) -> tuple[Any, dict[Path, Reference]]:
    """The same values with every reference resolved, and what was referred to where.

    Texts under the paths in `literal` stay as they are, and so do those with an unset name. A text that resolves to
    nothing becomes `None`.
    """
    references: dict[Path, Reference] = {}

    def walk(value: Any, path: Path) -> Any:
        if path in literal:
            return value
        if isinstance(value, dict):
            return {key: walk(child, (*path, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [walk(child, (*path, at)) for at, child in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        text, references[path] = _resolve(value, env)
        if references[path].unset:
            return EnvText(value)
        return EnvText(text) if text else None

    return walk(value, ()), references


def _resolve(text: str, env: Mapping[str, str]) -> tuple[str, Reference]:
    found = [match for match in _REFERENCE.finditer(text) if match[0] != "$${"]

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match["name"]
        return (env.get(name, "").strip() or match["default"] or "") if name else match[0]

    unset = [
        match["name"]
        for match in found
        if match["name"] and match["default"] is None and not env.get(match["name"], "").strip()
    ]
    reference = Reference(
        names=tuple(match["name"] for match in found if match["name"]),
        unset=tuple(dict.fromkeys(unset)),
        bare=len(found) == 1 and found[0][0] == text and found[0]["default"] is None,
        malformed=any(match["name"] is None or "${" in (match["default"] or "") for match in found),
    )
    return _REFERENCE.sub(replace, text), reference
