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
_ANNOUNCED: Final = re.compile(r"\W{0,3}(?:error|fatal|failed|exception|panic)\b")
# An expression that begins with a letter or a digit is found several times as fast as one that begins with `\b` or with
# a choice. So it is asked behind the digit whether a word ends there, and the two words have an expression each.
_COUNTED: Final = re.compile(r"[1-9](?<!\w.)\d* (?:tests? )?(?:failed|failures?|errors?)\b")
_EXITED: Final = re.compile(r"exit(?:ed)?(?: with)?(?: code| status)?\W{1,3}[1-9]\d*\b")
_RETURNED: Final = re.compile(r"returncode\W{1,3}[1-9]\d*\b")
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
    if _ANNOUNCED.match(read) or _says_so(read):
        return True
    if (" error" in read or " fail" in read) and _COUNTED.search(read):
        return True
    return _EXITED.search(read) is not None or _RETURNED.search(read) is not None


def _says_so(read: str) -> bool:
    return (
        "error: " in read
        or "traceback (most recent call last)" in read
        or "command not found" in read
        or "no such file or directory" in read
        or "permission denied" in read
        or '"is_error": true' in read
        or '"iserror": true' in read
    )


def corrects(text: str) -> bool:
    """Whether a turn begins as one does that corrects the answer before it."""
    read = text[:_EDGE].lower()
    return _CONTRADICTED.match(read) is not None or _CORRECTED.search(read) is not None


def repeats(parts: Sequence[Part]) -> int:
    """Calls equal to the call before them. One with others in between is the ordinary edit-and-test loop."""
    calls = [(part.tool, part.text) for part in parts if part.kind == "tool_call"]
    return sum([one == other for one, other in pairwise(calls)])
