"""The ledger's tables, how older files are brought up to date, and how a file is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.api import ThriftgateError

Synchronous = Literal["normal", "full"]

APPLICATION_ID = 0x54676C31
"""Marks a SQLite file as a ledger ("Tgl1"), so that no other program's database is written to."""

LOCK_TIMEOUT = 5.0
"""Seconds to wait for another process that holds the file."""

# The n-th script brings a file from version n to n + 1. Released scripts are never edited, only followed by others.
MIGRATIONS = (
    """
    CREATE TABLE calls (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        started REAL NOT NULL,
        duration REAL NOT NULL,
        recorded REAL NOT NULL,
        outcome TEXT NOT NULL,
        caller TEXT NOT NULL,
        session TEXT NOT NULL,
        client TEXT NOT NULL,
        mode TEXT NOT NULL,
        asked TEXT NOT NULL,
        deployment TEXT,
        model TEXT,
        provider TEXT,
        tier TEXT,
        task_type TEXT,
        score REAL,
        attempts INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        budget TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cached_tokens INTEGER,
        cache_write_tokens INTEGER,
        reasoning_tokens INTEGER,
        estimated INTEGER,
        tokens_before INTEGER,
        tokens_after INTEGER,
        cost_usd REAL,
        price_source TEXT NOT NULL,
        baseline_model TEXT,
        baseline_usd REAL,
        saved_routing REAL,
        saved_context REAL,
        saved_cache REAL,
        record TEXT NOT NULL
    );
    CREATE INDEX calls_by_start ON calls (started);
    CREATE INDEX calls_by_caller ON calls (caller, started);
    CREATE INDEX calls_by_budget ON calls (budget, started) WHERE budget IS NOT NULL;
    """,
)


class LedgerError(ThriftgateError):
    """The ledger cannot be opened, or a record cannot be written or read. The message says which file and why."""


def parse_url(url: str) -> tuple[Path, Synchronous]:
    """The file and the durability in `sqlite:///relative.db`, `sqlite:////absolute.db` or either with
    `?synchronous=full`. Raises `LedgerError` for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise LedgerError(f"ledger url '{url}': only sqlite:/// is supported, not '{parts.scheme or url}'")
    if parts.netloc or len(parts.path) < 2:
        raise LedgerError(f"ledger url '{url}': expected sqlite:///file.db, or sqlite:////absolute/file.db")
    options = dict(parse_qsl(parts.query))
    synchronous = options.pop("synchronous", "normal").lower()
    if options:
        raise LedgerError(f"ledger url '{url}': unknown option '{next(iter(options))}'")
    if synchronous == "full":
        return Path(unquote(parts.path[1:])), "full"
    if synchronous == "normal":
        return Path(unquote(parts.path[1:])), "normal"
    raise LedgerError(f"ledger url '{url}': synchronous is normal or full, not '{synchronous}'")


def open_writer(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """A connection for writing to an up-to-date ledger file, made where there is none. Raises `LedgerError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path)
    except (OSError, sqlite3.Error) as error:
        raise broken(path, error) from error
    try:
        _migrate(path, connection)
        _use_wal(path, connection, synchronous)
    except LedgerError:
        connection.close()
        raise
    except sqlite3.Error as error:
        connection.close()
        raise broken(path, error) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises `LedgerError`."""
    try:
        connection = _connect(path)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise broken(path, error) from error
    connection.row_factory = sqlite3.Row
    return connection


def broken(path: Path, error: Exception) -> LedgerError:
    """What `error` means, in words that help."""
    code = getattr(error, "sqlite_errorcode", None)
    words = {
        sqlite3.SQLITE_BUSY: f"another process has held the file for {LOCK_TIMEOUT:.0f} s",
        sqlite3.SQLITE_LOCKED: f"another process has held the file for {LOCK_TIMEOUT:.0f} s",
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_CANTOPEN: "the file cannot be opened or made; does its folder exist and may we write there?",
        sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
        sqlite3.SQLITE_PERM: "no permission to write the file",
        sqlite3.SQLITE_NOTADB: "the file is not a SQLite database; move it away to begin a new ledger",
        sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it, or move it away to begin a new ledger",
        sqlite3.SQLITE_IOERR: "reading or writing the disk failed",
    }
    # the low byte is the kind, the rest details it
    meaning = words.get(code & 0xFF) if code is not None else None
    return LedgerError(f"ledger {path}: {meaning} ({error})" if meaning else f"ledger {path}: {error}")


def _connect(path: Path) -> sqlite3.Connection:
    # Opened here and used on one other thread only, never on two at a time.
    return sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)


def _use_wal(path: Path, connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerError(f"ledger {path}: its file system does not support SQLite's write-ahead log")
    connection.execute(f"PRAGMA synchronous = {synchronous}")


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # of two processes that start together one migrates, the other waits
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (tables or version):
        raise LedgerError(f"ledger {path}: this is another program's database")
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"ledger {path}: written by a newer release (version {version}, this one knows {len(MIGRATIONS)})"
        )
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")
