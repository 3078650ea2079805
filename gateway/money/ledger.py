"""The ledger: every call once, on disk before its answer is complete.

SQLite with a write-ahead log. With `synchronous = normal`, the default, a record that was acknowledged survives the
death of the process, `kill -9` included; it may be lost when the machine loses power within the seconds before its
disk cache is written. `?synchronous=full` waits for the disk at each commit and survives that too.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.api import CallRecord, Json
from gateway.money.record import read_record
from gateway.money.schema import LedgerError, Synchronous, broken, open_reader, open_writer, parse_url
from gateway.money.totals import Totals
from gateway.money.writer import Writer

_TOTALS = """
    SELECT count(*) AS calls,
           coalesce(sum(outcome = 'completed'), 0) AS completed,
           coalesce(sum(cost_usd), 0.0) AS cost_usd,
           coalesce(sum(cost_usd IS NULL AND attempts > 0), 0) AS unknown_cost,
           coalesce(sum(saved_routing), 0.0) AS saved_routing_usd,
           coalesce(sum(saved_context), 0.0) AS saved_context_usd,
           coalesce(sum(saved_cache), 0.0) AS saved_cache_usd,
           coalesce(sum(saved_routing + saved_context + saved_cache), 0.0) AS saved_usd,
           coalesce(sum(baseline_usd) FILTER (WHERE known), 0.0) AS baseline_usd,
           coalesce(sum(attempts > 0 AND NOT known), 0) AS unknown_savings,
           coalesce(sum(input_tokens), 0) AS input_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens,
           coalesce(sum(cached_tokens), 0) AS cached_tokens,
           coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens
    FROM (SELECT *, saved_routing + saved_context + saved_cache IS NOT NULL AS known FROM calls
          WHERE started >= :since AND (:budget IS NULL OR budget = :budget) AND (:caller IS NULL OR caller = :caller))
"""


class SqliteLedger:
    """Writes and reads records. All methods raise `LedgerError` where the file lets them down.

    Writing is one thread's and reading another's, so that a long report never holds up an answer.
    """

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        """`url` as in `sqlite:///ledger.db`; `clock` gives Unix time in seconds."""
        self._path: Path
        self._synchronous: Synchronous
        self._path, self._synchronous = parse_url(url)
        self._clock = clock
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading: ThreadPoolExecutor | None = None

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    async def open(self) -> None:
        """Open the file, make it where there is none, and bring an older one up to date."""
        writing = await asyncio.to_thread(open_writer, self._path, self._synchronous)
        try:
            self._reader = await asyncio.to_thread(open_reader, self._path)
        except LedgerError:
            writing.close()
            raise
        self._writer = Writer(self._path, writing, self._clock)
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reader")

    async def close(self) -> None:
        """Commit what is waiting and release the file. A second call does nothing."""
        writer, reader, reading = self._writer, self._reader, self._reading
        self._writer = self._reader = self._reading = None
        if reading is not None and reader is not None:
            await asyncio.to_thread(reading.shutdown)
            reader.close()
        if writer is not None:
            await asyncio.to_thread(writer.close)

    async def write(self, record: CallRecord) -> None:
        """Return once `record` is committed. Writing an equal record again does nothing; another record under the
        same id is an error."""
        if self._writer is None:
            raise LedgerError(f"ledger {self._path}: not open")
        await self._writer.write(record)

    async def get(self, id: str) -> Json | None:
        """The whole record of one call as JSON values, `None` where there is none."""
        rows = await self._rows("SELECT record FROM calls WHERE id = :id", {"id": id})
        return read_record(rows[0]["record"]) if rows else None

    async def recent(self, limit: int = 100) -> Sequence[Json]:
        """The latest records, newest first."""
        query = "SELECT record FROM calls ORDER BY started DESC, seq DESC LIMIT :limit"
        return [read_record(row["record"]) for row in await self._rows(query, {"limit": max(0, limit)})]

    async def spend_since(self, unix_time: float, *, budget: str | None = None, caller: str | None = None) -> float:
        """USD that the calls started at or after `unix_time` cost, as far as that is known."""
        return (await self.totals(unix_time, budget=budget, caller=caller)).cost_usd

    async def totals(self, since: float, *, budget: str | None = None, caller: str | None = None) -> Totals:
        """Sums over the calls that started at or after Unix time `since`, of one budget or caller where named."""
        [row] = await self._rows(_TOTALS, {"since": since, "budget": budget, "caller": caller})
        return Totals(**dict(row))

    async def _rows(self, query: str, values: dict[str, Any]) -> list[sqlite3.Row]:
        reader, reading = self._reader, self._reading
        if reader is None or reading is None:
            raise LedgerError(f"ledger {self._path}: not open")

        def read() -> list[sqlite3.Row]:
            try:
                return reader.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise broken(self._path, error) from error

        return await asyncio.get_running_loop().run_in_executor(reading, read)
