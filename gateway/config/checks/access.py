"""Who may call and what may be spent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.api import Path
from gateway.config.checks.names import check_name, check_names
from gateway.config.document import Document
from gateway.config.problems import Problem, did_you_mean
from gateway.config.values import DEFAULT_BUDGET, MASTER, digest

_HOST = re.compile(r"[A-Za-z0-9:._%-]+")


def check_access(document: Document) -> Iterator[Problem]:
    yield from _host(document)
    yield from check_names(document, ("budgets",))
    yield from _unused_budgets(document)
    yield from _keys(document)
    yield from _unset_keys(document)


def _host(document: Document) -> Iterator[Problem]:
    path = ("server", "host")
    host = document.at(*path)
    if isinstance(host, str) and host and not document.unset(*path) and not _HOST.fullmatch(host):
        message = f"{document.source.shown(path, host)} is no address to listen on"
        yield document.source.problem(path, message, "an IP address or a host's name, without `http://` and port")


def _unused_budgets(document: Document) -> Iterator[Problem]:
    """A limit that nobody draws on limits nothing, and who wrote it may believe otherwise."""
    budgets = document.at("budgets")
    drawn = [DEFAULT_BUDGET, *(entry.get("budget") for _, entry in document.entries("keys"))]
    for name in budgets if isinstance(budgets, dict) else ():
        if name not in drawn:
            message = f"no key draws on the budget `{name}`, so it limits nobody"
            yield document.source.problem(("budgets", name), message, key=True, severity="warning")


def _keys(document: Document) -> Iterator[Problem]:
    budgets = document.at("budgets")
    known = list(budgets) if isinstance(budgets, dict) else []
    names: dict[str, Path] = {}
    secrets: dict[str, Path] = {}
    master = document.at("server", "master_key")
    if isinstance(master, str):
        secrets[key_digest(document, ("server", "master_key"))] = ("server", "master_key")
    for path, entry in document.entries("keys"):
        name, secret, budget = entry.get("name"), entry.get("key"), entry.get("budget")
        if isinstance(name, str):
            yield from _key_name(document, (*path, "name"), name, names)
        if isinstance(secret, str):
            secret = key_digest(document, (*path, "key"))
            if secret in secrets:
                line = document.source.locate(secrets[secret]).line
                yield document.source.problem((*path, "key"), f"the same key as in line {line}", "a key of its own")
            secrets.setdefault(secret, (*path, "key"))
        if isinstance(budget, str) and budget not in known:
            place = (*path, "budget")
            message = f"no budget is named {document.source.shown(place, budget)}{did_you_mean(budget, known)}"
            yield document.source.problem(place, message, "a name under `budgets`")


def key_digest(document: Document, path: Path) -> str:
    """The SHA-256 of the key at a path. A text of the file itself is the digest already."""
    secret = str(document.at(*path))
    return digest(secret) if path in document.references else secret.removeprefix("sha256:").lower()


def _key_name(document: Document, path: Path, name: str, names: dict[str, Path]) -> Iterator[Problem]:
    if name == MASTER:
        yield document.source.problem(path, f"the name `{MASTER}` is that of `server.master_key`", "any other name")
    elif name in names:
        line = document.source.locate(names[name]).line
        yield document.source.problem(
            path, f"the name {document.source.shown(path, name)} is given twice", f"another; line {line} has it"
        )
    yield from check_name(document, path, name)
    names.setdefault(name, path)


def _unset_keys(document: Document) -> Iterator[Problem]:
    """One unset key is a warning. With none left the gateway would stand open to all, against what the file says."""
    places: list[Path] = [("server", "master_key"), *((*path, "key") for path, _ in document.entries("keys"))]
    written = [path for path in places if document.at(*path, raw=True) is not None]
    unset = [path for path in written if document.unset(*path)]
    for path in unset:
        name = document.unset(*path)[0]
        if len(unset) == len(written):
            message = f"{name} is not set, and no other key is left: nobody could call"
            expected = "a value in the environment for one key at least, or no keys in the file"
            yield document.source.problem(path, message, expected)
        else:
            yield document.source.problem(path, f"{name} is not set, so this key is inactive", severity="warning")
