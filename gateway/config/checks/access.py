"""Who may call and what may be spent, and where state and records are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.api import Path
from gateway.config.checks.names import check_name, check_names
from gateway.config.document import Document
from gateway.config.problems import Problem, did_you_mean
from gateway.config.values import MASTER

_LEDGER = re.compile(r"sqlite:///[^?#]+(\?synchronous=(normal|full))?")


def check_access(document: Document) -> Iterator[Problem]:
    yield from check_names(document, ("budgets",))
    yield from _keys(document)
    yield from _unset_keys(document)
    yield from _urls(document)


def _keys(document: Document) -> Iterator[Problem]:
    budgets = document.at("budgets")
    known = list(budgets) if isinstance(budgets, dict) else []
    names: dict[str, Path] = {}
    secrets: dict[str, Path] = {}
    master = document.at("server", "master_key")
    if isinstance(master, str):
        secrets[master] = ("server", "master_key")
    for path, entry in document.entries("keys"):
        name, secret, budget = entry.get("name"), entry.get("key"), entry.get("budget")
        if isinstance(name, str):
            yield from _key_name(document, (*path, "name"), name, names)
        if isinstance(secret, str):
            if secret in secrets:
                line = document.source.locate(secrets[secret]).line
                yield document.source.problem((*path, "key"), f"the same key as in line {line}", "a key of its own")
            secrets.setdefault(secret, (*path, "key"))
        if isinstance(budget, str) and budget not in known:
            message = f"no budget is named `{budget[:60]}`{did_you_mean(budget, known)}"
            yield document.source.problem((*path, "budget"), message, "a name under `budgets`")


def _key_name(document: Document, path: Path, name: str, names: dict[str, Path]) -> Iterator[Problem]:
    if name == MASTER:
        yield document.source.problem(path, f"the name `{MASTER}` is that of `server.master_key`", "any other name")
    elif name in names:
        line = document.source.locate(names[name]).line
        yield document.source.problem(path, f"the name `{name[:60]}` is given twice", f"another; line {line} has it")
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


def _urls(document: Document) -> Iterator[Problem]:
    state, ledger = document.at("state", "url"), document.at("ledger", "url")
    if isinstance(state, str) and state != "memory://":
        yield document.source.problem(("state", "url"), f"`{_shown(state)}` is not supported", "`memory://`")
    if isinstance(ledger, str) and not _LEDGER.fullmatch(ledger):
        expected = "`sqlite:///relative/path` or `sqlite:////absolute/path`, with `?synchronous=full` if wanted"
        yield document.source.problem(("ledger", "url"), f"`{_shown(ledger)}` is not supported", expected)


def _shown(url: str) -> str:
    """As much of a URL as may be repeated: a password can stand behind the scheme."""
    scheme, separator, _ = url.partition("://")
    return f"{scheme[:20]}://..." if separator and scheme != "sqlite" else url[:60]
