"""What in a conversation's newest steps shows that the run goes badly.

Every request carries its history, so this is read from the request alone: results that are errors, the same call made
again, a person who corrects. It is evidence, where the text of a task only suggests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gateway.api import Part

_EDGE: Final = 400
"""Characters read at both ends of a result: an error is announced first or last."""
_ENOUGH: Final = 4
"""So many failed results, or calls made again, among the newest steps count in full."""

# Every request looks at all results of its newest steps: plain words first, expressions only where they may hit.
_FAULTS: Final = (
    "traceback (most recent call last)",
    "command not found",
    "no such file or directory",
    "permission denied",
)
_ERRORS: Final = ("error: ", '"is_error": true', '"iserror": true')
_ANNOUNCED: Final = re.compile(r"\W{0,3}(?:error|fatal|failed|exception|panic)\b")
_COUNTED: Final = re.compile(r"\b[1-9]\d* (?:tests? )?(?:failed|failures?|errors?)\b")
_STATUS: Final = re.compile(r"(?:exit(?:ed)?(?: with)?(?: code| status)?|returncode)\W{1,3}[1-9]\d*\b")
_CONTRADICTED: Final = re.compile(r"\W*(?:no\b[,.! ]|wrong\b|nope\b|try again)")
_CORRECTED: Final = re.compile(
    r"\b(?:that(?:'s| is| was) (?:not|wrong|incorrect)|"
    r"(?:still|also) (?:fails|failing|broken|wrong|not working|doesn'?t|does not|the same)|"
    r"(?:doesn'?t|does not|didn'?t|did not|isn'?t|not) work(?:ing)?|you (?:forgot|missed|ignored|broke)|"
    r"not what i (?:asked|meant|wanted)|same (?:error|problem|issue)|as i (?:said|asked))\b"
)


@dataclass(frozen=True, slots=True)
class Failures:
    """Counts among the newest steps, and whether the person's newest turn corrects what came before."""

    errors: int
    repeats: int
    corrected: bool

    @property
    def share(self) -> float:
        """0-1: how much of what can go wrong did. Half of it for errors, a quarter each for repeats and a correction;
        errors and repeats grow with their number up to four."""
        errors = min(self.errors, _ENOUGH) / _ENOUGH
        repeats = min(self.repeats, _ENOUGH) / _ENOUGH
        return errors / 2 + repeats / 4 + self.corrected / 4

    @property
    def reason(self) -> str:
        said = []
        if self.errors:
            said.append(f"failed results: {self.errors}")
        if self.repeats:
            said.append(f"calls made again: {self.repeats}")
        if self.corrected:
            said.append("corrected by the user")
        return ", ".join(said) or "none in this conversation"


def edges(text: str) -> str:
    """What is read of a result."""
    return text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]}\n{text[-_EDGE:]}"


def failed(result: str) -> bool:
    """Whether the edges of a result say that it failed."""
    read = result.lower()
    if _ANNOUNCED.match(read) or any(fault in read for fault in _FAULTS):
        return True
    erred = "error" in read
    if erred and any(error in read for error in _ERRORS):
        return True
    if (erred or "fail" in read) and _COUNTED.search(read):
        return True
    return ("exit" in read or "returncode" in read) and _STATUS.search(read) is not None


def corrects(text: str) -> bool:
    """Whether a turn begins as one does that corrects the answer before it."""
    read = text[:_EDGE].lower()
    return _CONTRADICTED.match(read) is not None or _CORRECTED.search(read) is not None


def repeats(parts: Sequence[Part]) -> int:
    """Calls equal to the call before them. One with others in between is the ordinary edit-and-test loop."""
    calls = [(part.tool, part.text) for part in parts if part.kind == "tool_call"]
    return sum([one == other for one, other in pairwise(calls)])
