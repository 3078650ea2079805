"""Answering what a model asks for again: from the call's own texts, or from the stash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway import wire
from gateway.api import Json, UpstreamError
from gateway.call import Call
from gateway.recall import NO_MORE, Gate, Wanted, answered, recalls, shown, without_recalls
from gateway.state import Stash

ROUNDS = 4
"""Answers of one request whose recalls are answered. The model is told once that there are no more."""

_AT_ONCE = 8
_TOO_MANY = f"Not shown: at most {_AT_ONCE} recalls at once."
_OFF_LOOP_CHARS = 64 * 1024  # a text up to here is read in less time than a hand-over to a thread costs others


@dataclass(frozen=True, slots=True)
class Followed:
    """The body that asks on, and how many characters it has more than the one before."""

    body: Json
    chars: int


class Recalls:
    """`covers` says whether what is reserved for a call pays for one more answer."""

    def __init__(self, stash: Stash, covers: Callable[[Call], bool]) -> None:
        self._stash = stash
        self._covers = covers

    async def after_whole(self, call: Call, body: Json, read: wire.AnswerParts) -> Followed | wire.AnswerParts:
        """What to ask on with after a whole answer; or the answer for the caller, the one given where it asks for no
        recall. Raises `UpstreamError` where nothing is left for the caller."""
        choice = read.body["choices"][0]
        message = choice.get("message")
        if not isinstance(message, dict) or not recalls(message):
            return read
        followed = await self._follow(call, body, message)
        if followed is not None:
            return followed
        kept = without_recalls(message)
        if not kept.get("tool_calls") and not kept.get("content"):
            raise _unending()
        finish = choice.get("finish_reason") if kept.get("tool_calls") else "stop"
        choices = [{**choice, "message": kept, "finish_reason": finish}]
        return wire.answer_parts({**read.body, "choices": choices})

    async def after_stream(self, call: Call, body: Json, gate: Gate) -> Followed | None:
        """As `after_whole`, of the stream that `gate` has watched to its end; `None` where the caller gets its rest."""
        message = gate.message()
        if message is None:
            return None
        followed = await self._follow(call, body, message)
        if followed is not None:
            gate.go_on(message)
        elif not gate.drop_recalls(message):
            raise _unending()
        return followed

    async def _follow(self, call: Call, body: Json, message: Json) -> Followed | None:
        """`None` where the model was told already that there are no more, or one more answer cannot be paid for."""
        if call.rounds > ROUNDS or not self._covers(call):
            return None
        call.rounds += 1
        wanted = recalls(message)
        if call.rounds > ROUNDS:
            texts = [NO_MORE] * len(wanted)
        else:
            texts = [await self._answer(call, one) for one in wanted[:_AT_ONCE]]
            call.recalls += len(texts)
            texts += [_TOO_MANY] * (len(wanted) - len(texts))
        asked = answered(body, message, texts)
        return Followed(asked, len(wire.dumps(asked["messages"][len(body["messages"]) :])))

    async def _answer(self, call: Call, wanted: Wanted) -> str:
        if wanted.fault is not None:
            return wanted.fault
        text = next((left.text for left in call.stash if left.id == wanted.id), None)
        if text is None:
            text = await self._stash.get(call.caller.name, wanted.id)
        if text is None:
            return f"Nothing is kept under the id {wanted.id[:40]!r}: it is none of this conversation's, or too old."
        if len(text) <= _OFF_LOOP_CHARS and not wanted.pattern:  # a pattern may take its time
            return shown(text, wanted.lines, wanted.pattern)
        return await asyncio.to_thread(shown, text, wanted.lines, wanted.pattern)


def _unending() -> UpstreamError:
    return UpstreamError(
        "The model asked for nothing but what had been left out of its prompt, again and again.",
        fault="protocol",
        code="recall_unending",
        retryable=False,
        elsewhere=False,
    )
