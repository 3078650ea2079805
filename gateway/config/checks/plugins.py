"""The list of plugins. Whether they exist, and what their settings may be, is known only once they are loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.api import Path
from gateway.config.document import Document
from gateway.config.problems import Problem

_PLUGIN = re.compile(r"[A-Za-z_][\w.-]*(:[A-Za-z_]\w*)?")


def check_plugins(document: Document) -> Iterator[Problem]:
    entries = document.at("plugins")
    seen: dict[str, Path] = {}
    for at, entry in enumerate(entries if isinstance(entries, list) else ()):
        path: Path = ("plugins", at)
        name, settings = plugin_parts(entry)
        if name is None:
            expected = "`its_name`, `module:Class`, or a mapping of one such name to its settings"
            yield document.source.problem(path, "this names no plugin", expected)
            continue
        if name in seen:
            expected = f"it once; line {document.source.locate(seen[name]).line} has it"
            yield document.source.problem(
                path, f"the plugin {document.source.shown(path, name)} is named twice", expected
            )
        seen.setdefault(name, path)
        if settings is not None and not isinstance(settings, dict):
            yield document.source.problem(
                (*path, name),
                f"the settings of {document.source.shown(path, name)} are no mapping",
                "`key: value` lines",
            )
        elif settings and settings.get("fail") not in (None, "open", "closed"):
            message = "`fail` says whether a request goes on when this guard fails"
            yield document.source.problem((*path, name, "fail"), message, "`open` or `closed`")


def plugin_parts(entry: Any) -> tuple[str | None, Any]:
    """The name and the settings of an entry of `plugins`; no name where it is none."""
    name, settings = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, None)
    if isinstance(name, str) and _PLUGIN.fullmatch(name):
        return str(name), settings
    return None, None
