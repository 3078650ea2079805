"""What the optimizers would cut from a request, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import recall, wire
from gateway.api import Caller, ChatRequest, Edit, Json, LeftOut, Optimizer, Part, Warmth, recall_tool
from gateway.call import RECALL_TOKENS
from gateway.cast import Seated, check_edits

_ANYONE = Caller("anonymous")
_COLD = Warmth()
_CHARS_PER_TOKEN = 3.8  # as a session's sizes are estimated before an answer has measured them


@dataclass(frozen=True, slots=True)
class FirstCall:
    """What an optimizer is told of a call that is the first of its conversation."""

    recall: bool
    id: str = "trim"
    caller: Caller = _ANYONE
    session: str = "trim"
    warmth: Warmth = _COLD
    cold_at: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """One edit, and the part that it rewrites as the optimizer saw it."""

    part: Part
    edit: Edit

    @property
    def tokens_after(self) -> int:
        """An estimate."""
        return round(wire.length(self.edit.text) / _CHARS_PER_TOKEN)

    @property
    def tokens_before(self) -> int:
        """An estimate: what was removed is counted, what is left is not."""
        return self.tokens_after + self.edit.tokens_removed


@dataclass(frozen=True, slots=True)
class Preview:
    """The cuts in the order in which they are made, what was left out and can be asked for, and the body that would be
    sent. `tool_tokens` is what the tool to ask with adds, 0 where it is not offered; `tokens_after` estimates the whole
    conversation's tokens, with the tool's."""

    cuts: tuple[Cut, ...]
    stash: tuple[LeftOut, ...]
    body: Json
    tool_tokens: int
    tokens_after: int

    @property
    def tokens_removed(self) -> int:
        """Negative where the tool is more than was cut."""
        return sum(cut.edit.tokens_removed for cut in self.cuts) - self.tool_tokens


def preview(optimizers: Sequence[Seated[Optimizer]], request: ChatRequest, mode: recall.Mode) -> Preview:
    """The cuts of all optimizers, each seeing what the one before left. One that fails is heard of: it raises here what
    it raised, and `ValueError` for an edit that would not be let through."""
    cuts, stash = list[Cut](), dict[str, LeftOut]()
    seats = optimizers if request.hints.optimize else ()
    call = FirstCall(recall=bool(seats) and recall.offered(request, mode), cold_at=request.messages)
    for seat in seats:
        proposed = seat.plugin.optimize(request, call)
        check_edits(request, proposed.edits)
        parts = {part.path: part for part in request.parts}
        cuts += [Cut(parts[edit.path], edit) for edit in proposed.edits]
        stash = {left.id: left for left in proposed.stash} | stash
        request = wire.edited(request, proposed.edits)
    body, tool_tokens = request.body, 0
    if call.recall:
        body, tool_tokens = {**body, "tools": [*body["tools"], recall_tool()]}, RECALL_TOKENS
    chars = sum(wire.length(part.text) for part in request.parts)
    return Preview(tuple(cuts), tuple(stash.values()), body, tool_tokens, round(chars / _CHARS_PER_TOKEN) + tool_tokens)
