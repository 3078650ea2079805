"""What a model may ask for again: whether it may, how it asks, and what it is shown. Pure, no I/O."""

from gateway.recall.gate import Gate
from gateway.recall.reading import CHARS, shown
from gateway.recall.rule import Mode, offered
from gateway.recall.turn import LATER, NO_MORE, Wanted, answered, recalls, without_recalls

__all__ = [
    "CHARS",
    "Gate",
    "LATER",
    "Mode",
    "NO_MORE",
    "Wanted",
    "answered",
    "offered",
    "recalls",
    "shown",
    "without_recalls",
]
