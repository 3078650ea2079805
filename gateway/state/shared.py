"""State that replicas share, in Redis or Valkey."""

from __future__ import annotations

import math
from collections.abc import Callable

from gateway.api import StateHealth
from gateway.state.link import PREFIX, Link, UnknownError
from gateway.state.memory import MemoryState


class SharedState:
    """Implements `api.State`. The time to live is kept by the store's own clock.

    What this replica wrote itself it remembers, too. That holds where the store gives no answer, and where the store
    has nothing but never took the value or may have forgotten it since. A value that the store does have always holds.
    """

    def __init__(self, link: Link, clock: Callable[[], float]) -> None:
        """`clock` gives seconds; only differences matter."""
        self._link = link
        self._saved = MemoryState(clock)
        self._unsaved = MemoryState(clock)
        link.lapsed.append(lambda: self._unsaved.take(self._saved))

    @property
    def health(self) -> StateHealth:
        return StateHealth(self._link.away, self._link.outages, self._link.lost)

    async def get(self, key: str) -> bytes | None:
        try:
            found = await self._link.do(lambda client: client.get(_key(key)))
        except UnknownError:
            own = await self._unsaved.get(key)
            return own if own is not None else await self._saved.get(key)
        return found if isinstance(found, bytes) else await self._unsaved.get(key)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for `ttl` seconds; 0 or less forgets the key."""
        known, other = self._saved, self._unsaved
        try:
            if ttl <= 0:
                await self._link.do(lambda client: client.delete(_key(key)))
            else:
                await self._link.do(lambda client: client.set(_key(key), value, px=math.ceil(ttl * 1000)))
        except UnknownError:
            known, other = other, known
        await known.set(key, value, ttl)
        await other.set(key, value, 0)


def _key(key: str) -> bytes:
    return f"{PREFIX}state:{key}".encode("utf-8", "surrogatepass")
