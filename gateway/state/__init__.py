"""Small values that the requests of a gateway share, behind the port `api.State`, and the texts left out of prompts."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.api import State, ThriftgateError
from gateway.state.memory import MAX_ENTRIES, MemoryState
from gateway.state.stash import Stash
from gateway.state.stash_file import StashLimits

__all__ = ["MAX_ENTRIES", "MemoryState", "Stash", "StashLimits", "open_state"]


def open_state(url: str, clock: Callable[[], float] = time.monotonic) -> State:
    """The state that `url` names: `memory://`. Raises `ThriftgateError` for any other."""
    if urlsplit(url).scheme != "memory":
        raise ThriftgateError(f"state url '{url}': only memory:// is supported")
    return MemoryState(clock)
