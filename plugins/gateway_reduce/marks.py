"""The words by which a rewritten text says what it left out, or where it stands.

A text that holds one of these was rewritten before: it is never shortened a second time.
"""

from __future__ import annotations

POINTER = "[above: "  # something the conversation has shown before stands there
LEFT_OUT = "[left out: "  # something is gone from here; the words behind say what and how much
RECALL = "[recall "  # the last line of a text of which something is gone for good: by this id it can be asked for


def is_marked(text: str) -> bool:
    """Whether a text holds a mark of a lossy step."""
    return LEFT_OUT in text or RECALL in text
