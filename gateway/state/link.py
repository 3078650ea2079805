"""The way to a shared Redis or Valkey. It may be away: then nobody waits for it, and it is tried again in the
background until it answers. What it could not say is unknown, which is never the same as not there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from gateway.api import ThriftgateError

if TYPE_CHECKING:
    from redis.asyncio import Redis

SCHEMES: Final = ("redis", "rediss", "unix")
PREFIX: Final = "thriftgate:"
DEADLINE: Final = 0.25
"""Seconds that an operation may take, its connection included."""
_CONNECTIONS = 32
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between two tries while the store is away
_LOG_SECONDS = 60.0  # between two messages about operations that the store refuses, such as writing when it is full
_FLAP_SECONDS = 10.0  # an outage so soon after one that was told is counted, and not told anew

T = TypeVar("T")

log = logging.getLogger("thriftgate.state")


class UnknownError(Exception):
    """The store gave no answer. It has been counted and told."""


def installed() -> bool:
    """Whether the client is there: the extra `thriftgate[redis]`."""
    return find_spec("redis") is not None


class Link:
    """Connections to one store. `lost` counts the operations without an answer, `outages` how often it went away.
    What is in `lapsed` is called when it comes back: it may have forgotten all."""

    def __init__(self, url: str, deadline: float = DEADLINE) -> None:
        """Connects to nothing yet. Raises `ThriftgateError` where the client is missing or the address is none."""
        self._name = without_secrets(url)
        self._deadline = deadline
        self._client = _client(url, self._name, deadline)
        self._healing: asyncio.Task[None] | None = None
        self._closed = False
        self._away_since = self._told_at = self._refusal_told_at = float("-inf")
        self.lapsed: list[Callable[[], None]] = []
        self.lost = 0
        self.outages = 0

    @property
    def away(self) -> bool:
        return self._healing is not None

    async def open(self) -> None:
        """Find out whether the store answers. One that does not is told in the log, and is no error."""
        try:
            await self.do(_knock)
        except UnknownError:
            return
        log.info("%s holds the sessions and what is left out of prompts", self._name)

    async def close(self) -> None:
        self._closed = True
        healing, self._healing = self._healing, None
        if healing is not None:
            healing.cancel()
            await asyncio.wait([healing])
        await self._client.aclose()

    async def do(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """The result of `work`. Raises `UnknownError` at once while the store is away, else after the deadline."""
        from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415  # an extra, only here where it is used

        if self.away or self._closed:
            self.lost += 1
            raise UnknownError
        try:
            async with asyncio.timeout(self._deadline):
                return await work(self._client)
        except ResponseError as error:  # it is there, but does not do this
            self._refused(error)
            raise UnknownError from error
        except (RedisError, OSError, ValueError) as error:  # no answer, none in time, or one that is not Redis's
            self._gone(error)
            raise UnknownError from error

    def _refused(self, error: Exception) -> None:
        self.lost += 1
        now = time.monotonic()
        if now - self._refusal_told_at >= _LOG_SECONDS:
            self._refusal_told_at = now
            log.error("%s refuses (%d operations lost so far): %s", self._name, self.lost, error)

    def _gone(self, error: Exception) -> None:
        self.lost += 1
        if self.away or self._closed:  # others were on their way when the first one found out
            return
        self.outages += 1
        self._away_since = now = time.monotonic()
        if now - self._told_at >= _FLAP_SECONDS:
            self._told_at = now
            why = str(error) or f"no answer within {self._deadline:g} seconds"
            told = "%s is away: %s; until it answers each replica remembers for itself (outage %d)"
            log.error(told, self._name, why, self.outages)
        self._healing = asyncio.ensure_future(self._heal())

    async def _heal(self) -> None:
        """Knock until the store answers."""
        from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415  # as above

        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                async with asyncio.timeout(self._deadline):
                    await _knock(self._client)
            except ResponseError:
                break  # it is there; what it refuses is told where it is asked for
            except (RedisError, OSError, ValueError) as error:
                log.debug("%s is still away: %s", self._name, error)
                continue
            break
        self._healing = None
        for call in self.lapsed:
            call()
        now = time.monotonic()
        if self._told_at >= self._away_since or now - self._away_since >= _FLAP_SECONDS:
            told = "%s answers again after %.1f seconds; %d operations lost so far"
            log.warning(told, self._name, now - self._away_since, self.lost)


async def _knock(client: Redis) -> None:
    """Needs no other right than the gateway's own keys."""
    await client.get(f"{PREFIX}knock")


def _client(url: str, name: str, deadline: float) -> Redis:
    if not installed():
        raise ThriftgateError(f"state url {name}: the client is not installed; `pip install thriftgate[redis]`")
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415  # an extra, and slow to import
    from redis.asyncio.retry import Retry  # noqa: PLC0415  # as above
    from redis.backoff import NoBackoff  # noqa: PLC0415  # as above

    how: dict[str, Any] = {"ssl_check_hostname": True} if urlsplit(url).scheme == "rediss" else {}
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=deadline,
            socket_timeout=deadline,
            socket_connect_timeout=deadline,
            retry=Retry(NoBackoff(), 0),  # a second try would outlast the deadline
            protocol=2,  # every server speaks it, and it needs no more than a `GET` to begin
            **how,
        )
    except ValueError as error:
        raise ThriftgateError(f"state url {name}: {error}") from error
    return Redis.from_pool(pool)


def without_secrets(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
