"""What the signals found in texts seen lately, so that each text is read once.

An agent sends its whole conversation again with every step, so nearly every text of a request has been read before.
What is found depends on the text alone; what is forgotten is found again. This changes nothing but the time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway_complexity import failures, signals

_TURNS: Final = 256
"""Turns of people remembered: excerpts of at most 1,101 characters."""
_STEPS: Final = 2048
"""Results and calls of tools remembered: at most 801 characters each."""
_TOOLS: Final = 256
"""Tools remembered: the names and descriptions that are read, a few hundred characters as a rule and 6,240 at most."""


class Memory:
    """Each signal that reads a text, remembering. One for each scorer; safe to use from several threads."""

    def __init__(self) -> None:
        self.code = lru_cache(_TURNS)(signals.code)
        self.negation = lru_cache(_TURNS)(signals.negation)
        self.several = lru_cache(_TURNS)(signals.several)
        self.asked = lru_cache(_TURNS)(signals.asked)
        self.corrects = lru_cache(_TURNS)(failures.corrects)
        self.files = lru_cache(_TURNS + _STEPS)(signals.files)
        self.failed = lru_cache(_STEPS)(failures.failed)
        self.vocabulary = lru_cache(_TOOLS)(signals.vocabulary)
