"""Where state and records are kept: addresses that are understood, and no password that stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit

from gateway.api import Path
from gateway.config.document import Document
from gateway.config.problems import Problem

_LEDGER = re.compile(r"sqlite:///[^?#]+(\?synchronous=(normal|full))?")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?P<default>[^}]*))?\}")
_STATE: Path = ("state", "url")
_STATES = "`memory://`, `redis://host:port/db`, `rediss://host:port/db` or `unix:///path/of/the/socket`"
_QUERY = {"unix": {"db"}, "rediss": {"ssl_ca_certs"}}


def check_stores(document: Document) -> Iterator[Problem]:
    state, ledger = document.at(*_STATE), document.at("ledger", "url")
    if isinstance(state, str) and not document.unset(*_STATE):
        yield from _state(document, state)
    if isinstance(ledger, str) and not _LEDGER.fullmatch(ledger):
        expected = "`sqlite:///relative/path` or `sqlite:////absolute/path`, with `?synchronous=full` if wanted"
        yield _unsupported(document, ("ledger", "url"), ledger, expected)


def _state(document: Document, url: str) -> Iterator[Problem]:
    if url == "memory://":
        return
    written = document.at(*_STATE, raw=True)
    if _has_password(_REFERENCE.sub(lambda match: match["default"] or "", str(written))):
        message = "`state.url`: secrets do not stand in this file"
        yield document.source.problem(_STATE, message, "`${NAME}` in the password's place, or for the whole url")
    elif not _understood(url):
        yield _unsupported(document, _STATE, url, _STATES)
    elif find_spec("redis") is None:
        message = "`state.url` needs the Redis client, which is not installed"
        yield document.source.problem(_STATE, message, "`pip install thriftgate[redis]`, or `memory://`")


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False  # no address at all, which is told by its own message


def _understood(url: str) -> bool:
    """Whether this is an address of a store. A user without a password is a password in the wrong place."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        placed = parts.port is None or parts.port > 0
    except ValueError:
        return False
    options = dict(query)
    if parts.fragment or len(options) < len(query) or set(options) - _QUERY.get(parts.scheme, set()):
        return False
    if parts.username and not parts.password:
        return False
    if parts.scheme == "unix":
        return not parts.hostname and len(parts.path) > 1 and options.get("db", "0").isdecimal()
    if parts.scheme not in ("redis", "rediss"):
        return False
    return placed and bool(parts.hostname) and re.fullmatch(r"(/\d*)?", parts.path) is not None


def _unsupported(document: Document, path: Path, url: str, expected: str) -> Problem:
    scheme, separator, _ = url.partition("://")
    shown = f"{scheme}://..." if separator and scheme != "sqlite" else url  # a password can stand behind the scheme
    return document.source.problem(path, f"{document.source.shown(path, shown)} is not supported", expected)
