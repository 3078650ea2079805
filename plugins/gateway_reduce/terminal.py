"""What a terminal would not show, or shows as mere padding, does not reach the model.

Every rule looks for its own first sign before it runs an expression, and every expression is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

# Control sequences (colours, cursor, screen), operating system commands (titles, links), two-letter escapes.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[PX^_][^\x1b\n]*+\x1b\\"
    r"|[()*+][0-2A-KQRYZ]|#[3-8]|%[@G8]|[78=>cDEHMNOZ\\])"
)
_ERASE = re.compile(r"\x1b\[[012]?[JK]")
_OVERSTRIKE = re.compile("(.)\x08(?=\\1)|_\x08")
# Two blanks end a line in Markdown and one is the whole of an empty line in a diff: those carry meaning and stay.
_TRAILING = re.compile(r"(?<=[^ \t\n])[ \t]{3,}+$", re.MULTILINE)
_NUMBERED = re.compile(r"^ {1,8}(\d{1,7})(?=\t|→)", re.MULTILINE)

MOST_OVERWRITTEN = 20_000  # states of progress in one text: comparing more would hold up the requests of others
PIECE = 64_000  # characters that expressions run over at once
LONGEST_LINE = 300_000  # characters: a line that makes a longer piece stays as it is
OVERWRITTEN_LEAST = 40  # characters: under this the mark costs more than the line


def clean(text: str) -> str:
    """`text` without terminal noise. Words, line breaks, indentation and the order of things stay."""
    if "\r" in text:
        text = _settle_overwritten(text)
    if "\x08" in text or "\x1b" in text or "   \n" in text or "\t\n" in text or text.endswith(("   ", "\t")):
        text = "".join(map(_clean_piece, _pieces(text)))
    return _unpad_numbers(text)


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces of whole lines. An expression holds up the whole process while it runs; it can be
    interrupted between two pieces."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE) + 1 or len(text)
        yield text[start:end]
        start = end


def _clean_piece(text: str) -> str:
    if len(text) > LONGEST_LINE:
        return text
    if "\x08" in text:
        text = _OVERSTRIKE.sub("", text)
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "   \n" in text or "\t\n" in text or text.endswith(("   ", "\t")):
        text = _TRAILING.sub("", text)
    return text


def _unpad_numbers(text: str) -> str:
    """Line numbers as `cat -n` writes them, without the blanks that right-align them."""
    if "\t" not in text and "→" not in text:
        return text
    numbers = [int(number) for number in _NUMBERED.findall(text)]
    # One more than the one before: anything else is a column of figures, whose alignment may matter.
    if len(numbers) < 2 or any(b != a + 1 for a, b in pairwise(numbers)):
        return text
    return _NUMBERED.sub(r"\1", text)


def _settle_overwritten(text: str) -> str:
    """Progress that rewrote its own line shows its last state, with a mark of how often it was overwritten."""
    if text.count("\r") - text.count("\r\n") > MOST_OVERWRITTEN:
        return text
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if line.find("\r", 0, -1) >= 0:
            lines[at] = _settle(line)
    return "\n".join(lines)


def _settle(line: str) -> str:
    ending = "\r" if line.endswith("\r") else ""
    states = line.removesuffix("\r").split("\r")
    kept: list[str] = []
    gone = size = 0
    for state, following in zip(states, [*states[1:], None], strict=True):
        if following is not None and _overwrites(following, state):
            gone += bool(state.strip())
            size += len(state) + 1
        else:
            kept.append(state)
    if size < OVERWRITTEN_LEAST:
        return line
    return "\r".join(kept) + f" [overwritten {gone} times]" + ending


def _overwrites(new: str, old: str) -> bool:
    """Whether a terminal that shows `new` over `old` leaves nothing of `old`, and both are states of one progress.

    The second half protects texts whose lines end in bare carriage returns: there neighbours differ in their words.
    """
    erases = _ERASE.search(new) is not None
    shown, before = _ESCAPES.sub("", new), _ESCAPES.sub("", old)
    if not erases and len(shown) < len(before.rstrip()):
        return False
    if not shown.strip() or not before.strip():
        return True
    return _words(shown) == _words(before) or shown.split(None, 1)[0] == before.split(None, 1)[0]


def _words(state: str) -> str:
    return "".join(filter(str.isalpha, state))
