"""Names that people give to things and that later stand in headers, metrics and records."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.api import Path
from gateway.config.document import Document
from gateway.config.problems import Problem

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,63}")


def check_name(document: Document, path: Path, name: str, *, key: bool = False) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        expected = "up to 64 letters, digits and . _ @ : -"
        yield document.source.problem(
            path, f"the name {document.source.shown(path, name)} cannot be used", expected, key=key
        )


def check_names(document: Document, path: Path) -> Iterator[Problem]:
    """The names that are the keys of the mapping at a path."""
    mapping = document.at(*path)
    for name in mapping if isinstance(mapping, dict) else ():
        yield from check_name(document, (*path, name), name, key=True)
