"""State that replicas share, in Redis or Valkey."""

from __future__ import annotations

import math

from gateway.state.link import PREFIX, Link, UnknownError


class SharedState:
    """Implements `api.State`. The time to live is kept by the store's own clock. While the store is away a value is
    `None`, as one that nobody set, and one that is set is lost; the link counts and tells it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def get(self, key: str) -> bytes | None:
        try:
            found = await self._link.do(lambda client: client.get(_key(key)))
        except UnknownError:
            return None
        return found if isinstance(found, bytes) else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for `ttl` seconds; 0 or less forgets the key."""
        try:
            if ttl <= 0:
                await self._link.do(lambda client: client.delete(_key(key)))
            else:
                await self._link.do(lambda client: client.set(_key(key), value, px=math.ceil(ttl * 1000)))
        except UnknownError:
            return


def _key(key: str) -> bytes:
    return f"{PREFIX}state:{key}".encode("utf-8", "surrogatepass")
