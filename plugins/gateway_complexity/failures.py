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
from gateway_complexity.conversation import Conversation

_EDGE: Final = 400
"""Characters read at both ends of a result: an error is announced first or last."""
_ENOUGH: Final = 4
"""So many failed results, or calls made again, among the newest steps count in full."""

# Every request looks at all results of its newest steps: plain words first, expressions only where they may hit.
_SAID: Final = (
    "error: ",
    "traceback (most recent call last)",
    "command not found",
    "no such file or directory",
    "permission denied",
    '"is_error": true',
    '"iserror": true',
)
_ANNOUNCED: Final = re.compile(r"\W{0,3}(?:error|fatal|failed|exception|panic)\b")
_COUNTED: Final = re.compile(r"\b[1-9]\d* (?:tests? )?(?:failed|failures?|errors?)\b")
_STATUS: Final = re.compile(r"(?:exit(?:ed)?(?: with)?(?: code| status)?|returncode)\W{1,3}[1-9]\d*\b")
_CORRECTION: Final = re.compile(
    r"^\W*(?:no\b[,.! ]|wrong\b|nope\b|try again)|\b(?:that(?:'s| is| was) (?:not|wrong|incorrect)|"
    r"(?:still|also) (?:fails|failing|broken|wrong|not working|doesn'?t|does not|the same)|"
    r"(?:doesn'?t|does not|didn'?t|did not|isn'?t|not) work(?:ing)?|you (?:forgot|missed|ignored|broke)|"
    r"not what i (?:asked|meant|wanted)|same (?:error|problem|issue)|as i (?:said|asked))\b",
    re.IGNORECASE,
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


def failures(conversation: Conversation) -> Failures:
    results = (part for part in conversation.recent if part.kind == "tool_result")
    return Failures(
        errors=sum(_failed(part.text) for part in results),
        repeats=_repeats(conversation.recent),
        corrected=conversation.answered and _CORRECTION.search(conversation.newest[:_EDGE]) is not None,
    )


def _failed(text: str) -> bool:
    read = (text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]}\n{text[-_EDGE:]}").lower()
    if any(words in read for words in _SAID) or _ANNOUNCED.match(read):
        return True
    if ("fail" in read or "error" in read) and _COUNTED.search(read):
        return True
    return ("exit" in read or "returncode" in read) and _STATUS.search(read) is not None


def _repeats(parts: Sequence[Part]) -> int:
    """Calls equal to the call before them. One with others in between is the ordinary edit-and-test loop."""
    calls = [(part.tool, part.text) for part in parts if part.kind == "tool_call"]
    return sum(one == other for one, other in pairwise(calls))
