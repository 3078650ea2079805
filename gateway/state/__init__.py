"""Small values that the requests of a gateway share, behind the port `api.State`, and the texts left out of prompts.

Both lie in this process and in a file beside the ledger, or both in a Redis or Valkey that replicas share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.api import State, ThriftgateError
from gateway.state.link import SCHEMES, Link, without_secrets
from gateway.state.memory import MAX_ENTRIES, MemoryState
from gateway.state.port import Stash
from gateway.state.shared import SharedState
from gateway.state.shared_stash import SharedStash
from gateway.state.stash import FileStash
from gateway.state.stash_file import StashLimits

__all__ = [
    "MAX_ENTRIES",
    "FileStash",
    "Link",
    "MemoryState",
    "SharedStash",
    "SharedState",
    "Stash",
    "StashLimits",
    "Stores",
    "open_state",
    "open_stores",
    "without_secrets",
]


@dataclass(frozen=True, slots=True)
class Stores:
    """A gateway's state and stash, and the way to where they lie if that is elsewhere."""

    state: State
    stash: Stash
    link: Link | None = None

    async def open(self) -> None:
        if self.link is not None:
            await self.link.open()
        self.stash.open()

    async def close(self) -> None:
        await self.stash.close()
        if self.link is not None:
            await self.link.close()


def open_stores(url: str, file: Path | None, limits: StashLimits, clock: Callable[[], float]) -> Stores:
    """The stores that `url` names. With `memory://` the stash is in `file` (`None`: in memory). Raises
    `ThriftgateError` for a url that is not supported, and where the client for it is not installed."""
    if urlsplit(url).scheme in SCHEMES:
        link = Link(url)
        return Stores(SharedState(link, clock), SharedStash(link, limits, clock), link)
    return Stores(open_state(url, clock), FileStash(file, limits, clock))


def open_state(url: str, clock: Callable[[], float] = time.monotonic) -> State:
    """The state of this process, `memory://`. Raises `ThriftgateError` for any other."""
    if urlsplit(url).scheme != "memory":
        raise ThriftgateError(f"state url '{without_secrets(url)}' is not supported")
    return MemoryState(clock)
