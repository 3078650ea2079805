"""What was left out of prompts, kept on disk so that a model can ask for it. It is no record: losing it loses texts
that nearly every request brings along again, so no fault of it ever fails a request.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.api import LeftOut
from gateway.state.stash_file import StashFile, StashLimits, Text

_QUEUED_BYTES = 64 * 1024 * 1024  # texts that wait to be written; more than that is dropped
_KNOWN = 50_000  # texts of which it is remembered that they were written lately
_BATCH = 64
_PRUNE_SECONDS = 600.0
_LOG_SECONDS = 60.0

log = logging.getLogger("thriftgate.stash")


@dataclass(slots=True, eq=False)
class _Wish:
    """A text that somebody waits for."""

    caller: str
    id: str
    loop: asyncio.AbstractEventLoop
    found: asyncio.Future[str | None]
    text: str | None = None

    def tell(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:
            return  # that loop is closed: nobody waits any more

    def _resolve(self) -> None:
        if not self.found.done():  # else the wait was cancelled
            self.found.set_result(self.text)


class FileStash:
    """Texts by caller and id. `lost` counts what could not be written or read.

    One thread owns the file: `keep` hands over and returns, `get` waits for it.
    """

    def __init__(self, path: Path | None, limits: StashLimits, clock: Callable[[], float]) -> None:
        """`path` is `None` for a stash in memory; `clock` gives Unix time in seconds."""
        self._path = path
        self._limits = limits
        self._clock = clock
        self._queue: queue.SimpleQueue[Text | _Wish | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of the two below, which both threads change
        self._queued = 0
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._next_log = 0.0
        self.lost = 0

    def open(self) -> None:
        """Begin to take texts. The file is opened by the thread, where nobody waits for it."""
        if self._thread is None:
            # A daemon, so that a gateway that dies without closing does not hang.
            self._thread = threading.Thread(target=self._run, name="stash", daemon=True)
            self._thread.start()

    async def close(self) -> None:
        """Write what is waiting and release the file. A second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    def limit(self, limits: StashLimits) -> None:
        """Other limits from now on."""
        self._limits = limits

    def keep(self, caller: str, texts: Iterable[LeftOut]) -> None:
        """Keep texts for a caller. One that was written lately is not written again: each request of a conversation
        brings all of them along."""
        if self._thread is None:
            return
        now = self._clock()
        for left in texts:
            if not self._take(Text(caller, left.id, left.text, now)):
                self._lose("texts come faster than they can be written")

    def _take(self, text: Text) -> bool:
        """Queue a text unless it was written lately; `False` where there is no room for it."""
        key = (text.caller, text.id)
        with self._lock:
            written = self._known.get(key)
            if written is not None and text.used - written < self._limits.seconds / 24:
                return True
            if self._queued + len(text.text) > _QUEUED_BYTES:
                return False
            self._known[key] = text.used
            self._known.move_to_end(key)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
            self._queued += len(text.text)
        self._queue.put(text)
        return True

    async def get(self, caller: str, id: str) -> str | None:
        """A caller's own text, `None` where it is not there (any more)."""
        if self._thread is None or not id.isascii():  # the model's own word: SQLite takes no lone surrogate
            return None
        loop = asyncio.get_running_loop()
        wish = _Wish(caller, id, loop, loop.create_future())
        self._queue.put(wish)
        return await wish.found

    def _lose(self, why: object) -> None:
        self.lost += 1
        now = self._clock()
        if now >= self._next_log:
            self._next_log = now + _LOG_SECONDS
            log.error("what was left out of a prompt is not kept or not found (%d so far): %s", self.lost, why)

    def _run(self) -> None:
        file = StashFile(self._path)
        pruned, more = float("-inf"), True
        while more:
            batch, more = self._next_batch()
            if not batch:
                break
            try:
                self._do(file, batch)
                now = self._clock()
                if now - pruned >= _PRUNE_SECONDS or file.bytes > self._limits.bytes:
                    file.prune(now - self._limits.seconds, self._limits.bytes)
                    pruned = now
            except Exception as error:  # noqa: BLE001 - isolation: should this thread die, every later recall would wait for ever
                self._forget(batch)
                self._lose(error)
                file.close()
            for wish in batch:
                if isinstance(wish, _Wish):
                    wish.tell()
        file.close()

    def _next_batch(self) -> tuple[list[Text | _Wish], bool]:
        """What is waiting, at least one; and whether more may come."""
        batch: list[Text | _Wish] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == _BATCH:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _do(self, file: StashFile, batch: list[Text | _Wish]) -> None:
        texts = [item for item in batch if isinstance(item, Text)]
        with self._lock:
            self._queued -= sum(len(item.text) for item in texts)
        if texts:
            file.write(texts)
        for item in batch:
            if isinstance(item, _Wish):
                item.text = file.read(item.caller, item.id, self._clock(), self._limits.seconds)

    def _forget(self, batch: list[Text | _Wish]) -> None:
        """What failed to be written is written with the next request that brings it along."""
        with self._lock:
            for item in batch:
                if isinstance(item, Text):
                    self._known.pop((item.caller, item.id), None)
