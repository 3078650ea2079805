"""The ledger's one writing thread. Records that arrive while a transaction is being committed share the next one, so
that a busy gateway pays for one commit per batch and an idle one waits for nobody.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import orjson

from gateway.api import CallRecord
from gateway.money.record import COLUMNS, Row, record_row
from gateway.money.schema import LedgerError, broken

LARGEST_BATCH = 256
"""Records per transaction at most, so that the first of a flood does not wait for the last. Fewer where this SQLite
takes no statement with so many values."""

_INTO = f"INSERT INTO calls ({', '.join(COLUMNS)})"
_PLACES = f"({', '.join('?' * len(COLUMNS))})"
_UNLESS_THERE = "ON CONFLICT (id) DO NOTHING"


@dataclass(slots=True, eq=False)
class _Ticket:
    """One record on its way, and who waits for it."""

    record: CallRecord
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    error: Exception | None = None


class Writer:
    """Owns the writing connection. `write` is for event loops, `close` may be called from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._path = path
        self._connection = connection
        self._clock = clock
        most_values = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._largest = max(1, min(LARGEST_BATCH, most_values // len(COLUMNS)))
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        # A daemon, so that a gateway that dies without closing does not hang; nobody was told of what it drops.
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def write(self, record: CallRecord) -> None:
        """Return once `record` is committed. The record is written even when the wait is cancelled."""
        loop = asyncio.get_running_loop()
        ticket = _Ticket(record, loop, loop.create_future())
        self._queue.put(ticket)
        await ticket.done

    def close(self) -> None:
        """Commit what is waiting, then release the file. Blocks until that is done."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._next_batch()
            if batch:
                self._commit(batch)
                _tell(batch)
        self._connection.close()

    def _next_batch(self) -> tuple[list[_Ticket], bool]:
        """What is waiting, at least one; and whether more may come."""
        batch: list[_Ticket] = []
        ticket = self._queue.get()
        while ticket is not None:
            batch.append(ticket)
            if len(batch) == self._largest:
                return batch, True
            try:
                ticket = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: Sequence[_Ticket]) -> None:
        rows = [(ticket, row) for ticket in batch if (row := self._row(ticket)) is not None]
        try:
            if rows and not self._insert_at_once([row for _, row in rows]):
                self._insert_one_by_one(rows)
        except Exception as error:  # noqa: BLE001 - isolation: should this thread die, every later call would wait for ever
            # All of them, or none: a part of the batch must not count as written when its commit failed.
            for ticket, _ in rows:
                ticket.error = broken(self._path, error)
            self._roll_back()

    def _row(self, ticket: _Ticket) -> Row | None:
        try:
            return record_row(ticket.record, self._clock())
        except Exception as error:  # noqa: BLE001 - isolation: one bad record must not fail its batch or this thread
            ticket.error = self._refusal(ticket, str(error))
            return None

    def _insert_at_once(self, rows: Sequence[Row]) -> bool:
        """Insert and commit in one statement, so that the interpreter, which the event loop needs too, is asked for
        once and not for every record. `False` where one of them could not be inserted."""
        statement = f"{_INTO} VALUES {', '.join([_PLACES] * len(rows))} {_UNLESS_THERE}"
        try:
            return self._connection.execute(statement, list(chain.from_iterable(rows))).rowcount == len(rows)
        except sqlite3.IntegrityError:
            return False

    def _insert_one_by_one(self, rows: Sequence[tuple[_Ticket, Row]]) -> None:
        """Find out which of them cannot be inserted, and insert the others. Those that are there already are fine."""
        self._connection.execute("BEGIN IMMEDIATE")
        for ticket, row in rows:
            try:
                inserted = self._connection.execute(f"{_INTO} VALUES {_PLACES} {_UNLESS_THERE}", row).rowcount == 1
            except sqlite3.IntegrityError as error:
                ticket.error = self._refusal(ticket, str(error))
                continue
            if not inserted and not self._already_written(row):
                ticket.error = self._refusal(ticket, "there is another record with this id")
        self._connection.execute("COMMIT")

    def _already_written(self, row: Row) -> bool:
        """Whether the stored record says the same: then this is a repeat after a lost answer, and nothing is amiss."""
        [stored] = self._connection.execute("SELECT record FROM calls WHERE id = ?", (row[0],)).fetchone()
        return bool(orjson.loads(stored) == orjson.loads(row[-1]))

    def _refusal(self, ticket: _Ticket, why: str) -> LedgerError:
        return LedgerError(f"ledger {self._path}: record {ticket.record.id}: {why}")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                # SQLite has rolled back by itself (a full disk, a lost file); the next BEGIN tells the rest.
                return


def _tell(batch: Sequence[_Ticket]) -> None:
    """Wake those who wait, with one call per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Ticket]] = {}
    for ticket in batch:
        by_loop.setdefault(ticket.loop, []).append(ticket)
    for loop, tickets in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, tickets)
        except RuntimeError:
            continue  # that loop is closed: nobody waits any more, and the records are safe


def _resolve(tickets: Sequence[_Ticket]) -> None:
    for ticket in tickets:
        if ticket.done.done():
            continue  # the wait was cancelled
        if ticket.error is None:
            ticket.done.set_result(None)
        else:
            ticket.done.set_exception(ticket.error)
