"""The words by which a rewritten text says what it left out, or where it stands.

A text that holds one of these was rewritten before: it is never shortened a second time.
"""

from __future__ import annotations

import hashlib

POINTER = "[above: "  # something the conversation has shown before stands there
LEFT_OUT = "[left out: "  # something is gone from here; the words behind say what and how much
RECALL = "[recall "  # the last line of a text of which something is gone: by this id the whole can be asked for


def identify(text: str) -> str:
    """The id under which a text can be asked for: 12 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def recall_line(id: str) -> str:
    return f"{RECALL}{id} shows what was left out]"


def is_marked(text: str) -> bool:
    """Whether a text holds a mark of any kind."""
    return POINTER in text or LEFT_OUT in text or RECALL in text
