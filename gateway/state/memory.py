"""State in this process's memory: the default, for one process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gateway.api import StateHealth

MAX_ENTRIES = 100_000
"""Entries kept at most by default; at a few hundred bytes each some tens of megabytes."""


class MemoryState:
    """Implements `api.State`. Values vanish when their time to live has passed, or earlier when there are more than
    `max_entries`: then the one that was not read or written for the longest time goes."""

    def __init__(self, clock: Callable[[], float], max_entries: int = MAX_ENTRIES) -> None:
        """`clock` gives seconds; only differences matter."""
        if max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, not {max_entries}")
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self.health = StateHealth()

    async def get(self, key: str) -> bytes | None:
        """The value of `key`, `None` where there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires = entry
        if self._clock() >= expires:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for `ttl` seconds; 0 or less forgets the key."""
        if ttl <= 0:
            self._entries.pop(key, None)
            return
        self._entries[key] = (value, self._clock() + ttl)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def take(self, other: MemoryState) -> None:
        """All that another one holds, which is empty then."""
        self._entries.update(other._entries)
        other._entries.clear()
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        """How many entries are held, those included whose time is over and that nobody asked for since."""
        return len(self._entries)
