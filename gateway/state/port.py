"""What the pipeline needs of a stash, wherever its texts lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gateway.api import LeftOut
from gateway.state.stash_file import StashLimits


class Stash(Protocol):
    """Texts by caller and id. No fault of it ever fails a request; `lost` counts what could not be written or read."""

    @property
    def lost(self) -> int: ...
    def open(self) -> None:
        """Begin to take texts."""

    async def close(self) -> None:
        """Write what is waiting. A second call does nothing."""

    def limit(self, limits: StashLimits) -> None:
        """Other limits from now on."""

    def keep(self, caller: str, texts: Iterable[LeftOut]) -> None:
        """Keep texts for a caller; returns at once."""

    async def get(self, caller: str, id: str) -> str | None:
        """A caller's own text, `None` where it is not there (any more) or cannot be had."""
