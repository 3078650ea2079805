"""The file behind the stash: a SQLite table of compressed texts, bounded in age and in bytes."""

from __future__ import annotations

import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import zstandard

_LEVEL = 3
_LOCK_SECONDS = 2.0
_TOUCH_SECONDS = 60.0  # a text's last use is not written down more often
_LARGEST = 64 * 1024 * 1024  # bytes of one text

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS stash (
        caller TEXT NOT NULL, id TEXT NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL, text BLOB NOT NULL,
        PRIMARY KEY (caller, id)
    )""",
    "CREATE INDEX IF NOT EXISTS stash_by_use ON stash (used, size)",
)
_WRITE = """
    INSERT INTO stash (caller, id, used, size, text) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (caller, id) DO UPDATE SET used = excluded.used
"""
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

log = logging.getLogger("thriftgate.stash")


@dataclass(frozen=True, slots=True)
class StashLimits:
    """How long a text is kept after its last use, in seconds, and how many bytes at most, compressed."""

    seconds: float = 24 * 3600.0
    bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Text:
    """A caller's text. `used` is Unix time in seconds."""

    caller: str
    id: str
    text: str
    used: float


class StashFile:
    """Opened at its first use, and again after a fault. For one thread. Methods raise what SQLite and the system raise.

    `bytes` is how much it holds, as far as this process knows.
    """

    def __init__(self, path: Path | None) -> None:
        """`path` is `None` for one in memory."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._pack = zstandard.ZstdCompressor(level=_LEVEL)
        self._unpack = zstandard.ZstdDecompressor()
        self.bytes = 0

    def write(self, texts: list[Text]) -> None:
        rows = []
        for text in texts:
            packed = self._pack.compress(text.text.encode("utf-8", "surrogatepass"))
            rows.append((text.caller, text.id, text.used, len(packed), packed))
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_WRITE, rows)
        connection.execute("COMMIT")
        self.bytes += sum(row[3] for row in rows)

    def read(self, caller: str, id: str, now: float, seconds: float) -> str | None:
        """A caller's text that was used in the last `seconds`; it is used now."""
        connection = self._opened()
        query = "SELECT used, text FROM stash WHERE caller = ? AND id = ?"
        row = connection.execute(query, (caller, id)).fetchone()
        if row is None or row[0] <= now - seconds:
            return None
        if now - row[0] >= _TOUCH_SECONDS:
            connection.execute("UPDATE stash SET used = ? WHERE caller = ? AND id = ?", (now, caller, id))
        return self._unpack.decompress(row[1], max_output_size=_LARGEST).decode("utf-8", "surrogatepass")

    def prune(self, until: float, most: int) -> None:
        """Forget what was last used before `until`, then the oldest until no more than `most` bytes are left."""
        connection = self._opened()
        connection.execute("DELETE FROM stash WHERE used <= ?", (until,))
        self.bytes = _held(connection)
        if self.bytes <= most:
            return
        # A tenth more than has to go, so that a full stash is not pruned at every text.
        excess = self.bytes - int(most * 0.9)
        oldest = []
        for rowid, size in connection.execute("SELECT rowid, size FROM stash ORDER BY used, size"):
            oldest.append((rowid,))
            excess -= size
            if excess <= 0:
                break
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM stash WHERE rowid = ?", oldest)
        connection.execute("COMMIT")
        self.bytes = _held(connection)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()  # what was not committed is rolled back

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError as error:
                if self._path is None or getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise
                self._set_aside(self._path, error)
                self._connection = self._open()
            self.bytes = _held(self._connection)
        return self._connection

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Prompts' texts are nobody else's to read.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path or ":memory:", timeout=_LOCK_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Never waits for the disk: a crash of the machine may cost the file, which is then begun anew.
            connection.execute("PRAGMA synchronous = OFF")
            for statement in _SCHEMA:
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_aside(self, path: Path, error: sqlite3.DatabaseError) -> None:
        log.error("%s is damaged (%s) and was set aside; a new one is begun", path, error)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        path.replace(path.with_name(path.name + ".damaged"))


def _held(connection: sqlite3.Connection) -> int:
    [total] = connection.execute("SELECT coalesce(sum(size), 0) FROM stash").fetchone()
    return int(total)
