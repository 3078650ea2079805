"""`${NAME}` where it stands, and secrets where they must not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.api import Path, Tier
from gateway.config.document import Document
from gateway.config.problems import Problem
from gateway.config.wording import VARIABLE, name_of

_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
_KEY = re.compile(r"[!-~]+")


def check_references(document: Document) -> Iterator[Problem]:
    for path, reference in document.references.items():
        if reference.malformed:
            expected = "`${NAME}` or `${NAME:-default}`, none inside another; `$${` for a plain `${`"
            yield document.source.problem(path, f"`{name_of(path)}` has a `${{` that is no reference", expected)
        elif reference.unset and not _switches_off(path):
            name = reference.unset[0]
            expected = f"a value in the environment, or a default: `${{{name}:-...}}`"
            yield document.source.problem(path, f"{name} is not set", expected)
    for path in _secrets(document):
        yield from _secret(document, path)


def _switches_off(path: Path) -> bool:
    """Whether an unset variable here makes what it belongs to inactive, and is no error of the file."""
    if path[:1] == ("tiers",):
        return len(path) == 5 and path[2] == "models" and path[4] in ("api_key", "api_base")
    return path == ("server", "master_key") or (len(path) == 3 and path[0] == "keys" and path[2] == "key")


def _secrets(document: Document) -> Iterator[Path]:
    yield ("server", "master_key")
    for path, _ in document.entries("keys"):
        yield (*path, "key")
    for tier in Tier:
        for path, _ in document.entries("tiers", tier.value, "models"):
            yield (*path, "api_key")


def _secret(document: Document, path: Path) -> Iterator[Problem]:
    written = document.at(*path, raw=True)
    reference = document.references.get(path)
    if written is None or isinstance(written, dict | list) or (reference and reference.malformed):
        return
    if reference is None or not reference.bare:
        yield from _literal(document, path, written)
    elif not reference.unset and not _KEY.fullmatch(document.at(*path) or ""):
        message = f"the value of {reference.names[0]} has a blank or a character that no key has"
        yield document.source.problem(path, message, "a key without blanks")


def _literal(document: Document, path: Path, written: Any) -> Iterator[Problem]:
    as_digest = path[0] == "keys" and str(written).startswith("sha256:")
    if as_digest and _DIGEST.fullmatch(str(written)):
        return
    if as_digest:
        yield document.source.problem(path, "`sha256:` without a digest behind it", "`sha256:` and 64 hex digits")
        return
    expected = VARIABLE + (", or `sha256:` and 64 hex digits" if path[0] == "keys" else "")
    yield document.source.problem(path, f"`{name_of(path)}`: secrets do not stand in this file", expected)
