"""What was left out of prompts, where all replicas find it: in Redis or Valkey."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway.api import LeftOut
from gateway.state.link import PREFIX, Link, UnknownError
from gateway.state.packing import pack, unpack
from gateway.state.stash_file import StashLimits

if TYPE_CHECKING:
    from redis.asyncio import Redis

_QUEUED_CHARS = 64 * 1024 * 1024  # of texts that wait to be written; more than that is dropped
_KNOWN = 50_000  # texts of which it is remembered that they were written lately
_LONGEST_ID = 128
_CLOSE_SECONDS = 2.0  # for what is waiting to be written at the end
_LOG_SECONDS = 60.0

log = logging.getLogger("thriftgate.stash")

_Key = tuple[str, str]


class SharedStash:
    """Implements `Stash`. Each text lives for the limit's seconds after its last use, by the store's own clock; how
    much of it all is kept is the store's own business (`maxmemory`)."""

    def __init__(self, link: Link, limits: StashLimits, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, of which only differences matter."""
        self._link = link
        self._limits = limits
        self._clock = clock
        self._waiting: OrderedDict[_Key, str] = OrderedDict()
        self._waiting_chars = 0
        self._known: OrderedDict[_Key, float] = OrderedDict()
        self._writing: asyncio.Task[None] | None = None
        self._opened = False
        self._next_log = float("-inf")
        self.lost = 0
        link.lapsed.append(self._known.clear)

    def open(self) -> None:
        self._opened = True

    async def close(self) -> None:
        self._opened = False
        if self._writing is not None:
            _, unfinished = await asyncio.wait([self._writing], timeout=_CLOSE_SECONDS)
            for writing in unfinished:
                writing.cancel()
            if self._waiting:
                self._lose(len(self._waiting), "the gateway ends")

    def limit(self, limits: StashLimits) -> None:
        self._limits = limits

    def keep(self, caller: str, texts: Iterable[LeftOut]) -> None:
        """One that was written lately is not written again: each request of a conversation brings all of them along."""
        if not self._opened:
            return
        now = self._clock()
        for left in texts:
            key = (caller, left.id)
            written = self._known.get(key)
            if key in self._waiting or (written is not None and now - written < self._limits.seconds / 24):
                continue
            if self._link.away or self._waiting_chars + len(left.text) > _QUEUED_CHARS:
                self._lose(1, "the store is away" if self._link.away else "texts come faster than they can be written")
                continue
            self._waiting[key] = left.text
            self._waiting_chars += len(left.text)
        if self._waiting and self._writing is None:
            self._writing = asyncio.ensure_future(self._write())
            self._writing.add_done_callback(self._written)

    async def get(self, caller: str, id: str) -> str | None:
        if not self._opened or not id.isascii() or len(id) > _LONGEST_ID:  # the model's own word
            return None
        waiting = self._waiting.get((caller, id))
        if waiting is not None:
            return waiting
        try:
            packed = await self._link.do(lambda client: self._read(client, _name(caller, id)))
        except UnknownError:
            self._lose(1, "the store gave no answer")
            return None
        if packed is None:
            self._known.pop((caller, id), None)  # the store ran out of room, or was emptied
            return None
        try:
            return await asyncio.to_thread(unpack, packed)
        except ValueError as error:
            self._lose(1, error)
            return None

    async def _read(self, client: Redis, name: str) -> bytes | None:
        """The text, which is used now."""
        async with client.pipeline(transaction=False) as pipe:
            pipe.get(name)
            pipe.pexpire(name, self._milliseconds())
            found, _ = await pipe.execute()
        return bytes(found) if found is not None else None

    async def _put(self, name: str, packed: bytes, client: Redis) -> None:
        await client.set(name, packed, px=self._milliseconds())

    async def _write(self) -> None:
        while self._waiting:
            key, text = next(iter(self._waiting.items()))
            packed = await asyncio.to_thread(pack, text)
            try:
                await self._link.do(partial(self._put, _name(*key), packed))
            except UnknownError:
                self._lose(1, "the store gave no answer")
            else:
                self._known[key] = self._clock()
                self._known.move_to_end(key)
                if len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
            finally:
                del self._waiting[key]
                self._waiting_chars -= len(text)

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing = None
        if not writing.cancelled() and (error := writing.exception()) is not None:
            log.error("a text that was left out of a prompt could not be written", exc_info=error)

    def _milliseconds(self) -> int:
        return max(1, round(self._limits.seconds * 1000))

    def _lose(self, many: int, why: object) -> None:
        self.lost += many
        now = self._clock()
        if now >= self._next_log:
            self._next_log = now + _LOG_SECONDS
            log.error("what was left out of a prompt is not kept or not found (%d so far): %s", self.lost, why)


def _name(caller: str, id: str) -> str:
    """Quoted, so that no caller's id can name another one's text."""
    return f"{PREFIX}stash:{quote(caller, safe='', errors='surrogatepass')}:{id}"
