"""Writes a translated stream as OpenAI would: the role first, one id over all, then the finish, the usage, `[DONE]`."""

from __future__ import annotations

import time
import uuid
from typing import Any

from gateway.api import Json
from gateway.upstream.plain import drop_hollow, settle_call, settle_usage
from gateway.wire import DONE, dumps


class Chunks:
    """The chunks of one stream. `finish` (by index of the choice) and `usage` are kept until the end, so that no one
    takes an answer for complete that breaks off."""

    def __init__(self, model: str) -> None:
        self.id: str | None = None
        self.model = model
        self.finish: dict[int, str] = {}
        self.usage: Json | None = None
        self._created = int(time.time())
        self._head = b""
        self._begun: set[int] = set()

    def delta(self, delta: Json, index: int = 0) -> list[bytes]:
        """The events for a choice's next delta, as litellm gives it or as OpenAI has it."""
        events = []
        delta.pop("role", None)
        if index not in self._begun:
            self._begun.add(index)
            events.append(self._chunk({"role": "assistant", "content": ""}, index))
        if not delta.get("content"):
            delta.pop("content", None)
        drop_hollow(delta)
        for call in delta.get("tool_calls") or ():
            settle_call(call)
        if delta:
            events.append(self._chunk(delta, index))
        return events

    def text(self, text: str) -> list[bytes]:
        """As `delta` of nothing but text, for the first choice."""
        if 0 not in self._begun:
            return self.delta({"content": text})
        return [self._chunk({"content": text}, 0)] if text else []

    def ending(self) -> list[bytes]:
        """The finish of each choice, the usage where it is known, and `[DONE]`."""
        events = []
        for index, reason in sorted(self.finish.items()):
            events += self.delta({}, index)
            events.append(self._chunk({}, index, reason))
        answer: Json = {"usage": self.usage}
        settle_usage(answer)
        if "usage" in answer:
            events.append(b"%b],%b\n\n" % (self._start(), dumps(answer)[1:]))
        return [*events, DONE]

    def _chunk(self, delta: Json, index: int, finish: str | None = None) -> bytes:
        return b'%b{"index":%d,"delta":%b,"finish_reason":%b}]}\n\n' % (
            self._start(),
            index,
            dumps(delta),
            b"null" if finish is None else dumps(finish),
        )

    def _start(self) -> bytes:
        """All that comes before a chunk's choices: the same in every chunk, so it is written once."""
        if not self._head:
            head: dict[str, Any] = {
                "id": self.id or f"chatcmpl-{uuid.uuid4().hex}",
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": self.model,
            }
            self._head = b"data: " + dumps(head)[:-1] + b',"choices":['
        return self._head
