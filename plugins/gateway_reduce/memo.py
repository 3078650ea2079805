"""A bounded memory of pure results. Forgetting changes the time an answer takes, never the answer."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Memo(Generic[V]):
    """Keeps the values used last, up to `limit` in the sum of their weights. Safe to share between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._kept: OrderedDict[bytes, tuple[V, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> V | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def take(self, key: bytes) -> V | None:
        """Get the value and forget it: whoever took it may change it, for nobody else holds it."""
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                return None
            self._weight -= found[1]
            return found[0]

    def put(self, key: bytes, value: V, weight: int = 1) -> None:
        """Remember a value; one that is heavier than the limit is not kept at all."""
        if weight > self._limit:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            if before is not None:
                self._weight -= before[1]
            self._kept[key] = (value, weight)
            self._weight += weight
            while self._weight > self._limit:
                self._weight -= self._kept.popitem(last=False)[1][1]
