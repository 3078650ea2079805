"""A stream that may ask for what was left out: its text goes out as it comes, its calls of tools wait until it is known
whether one of them is a recall."""

from __future__ import annotations

from typing import Any

from gateway import wire
from gateway.api import RECALL, BadRequest, Json, UpstreamError
from gateway.recall.turn import recalls, without_recalls

_CALLS = b'"tool_calls"'
_NAME = wire.dumps(RECALL)


class Gate:
    """Watches one upstream stream after another, which become one for the caller.

    A later stream is told under the first one's `id` and `created`, without a second role.
    """

    def __init__(self, body: Json) -> None:
        # Where the model may make one call only, the first name tells all.
        self._single = body.get("parallel_tool_calls") is False
        self._head: Json = {}
        self._events: list[bytes] = []
        self._held: list[bytes] = []
        self._named = False
        self._passed = False
        self._continues = False
        self._joint = ""
        self.holding = False
        self.ended = False

    def pass_on(self, events: list[bytes]) -> list[bytes]:
        """What of the events may be relayed now."""
        return [told for event in events for told in self._take(event)]

    def _take(self, event: bytes) -> list[bytes]:
        self._events.append(event)
        if not self._head:
            chunk = _chunk(event)  # Azure's first one has no choices, and no id either
            self._head = chunk if chunk is not None and chunk.get("choices") else {}
        if not self.holding and not self._passed and _CALLS in event and _has_calls(event):
            self.holding = True
        if not self.holding:
            return self._told([event])
        self._named = self._named or _NAME in event
        self._held.append(event)
        if self._single and not self._named and b'"name"' in event:
            self._passed = True
            return self.rest()
        return []

    def message(self) -> Json | None:
        """The assistant's message of the stream that has ended, where it asks for a recall."""
        if not self._named:
            return None
        try:
            choices = wire.collect(self._events).body["choices"]
        except UpstreamError:  # no answer that we can read: the caller gets what came
            return None
        message: Json = choices[0]["message"]
        return message if recalls(message) else None

    def rest(self) -> list[bytes]:
        """What was held back, to be relayed after all."""
        held, self._held, self.holding = self._held, [], False
        return self._told(held)

    def go_on(self, message: Json) -> None:
        """Another stream follows, which goes on where `message` asked for a recall. What was held is dropped."""
        if isinstance(message.get("content"), str) and message["content"]:
            self._joint = "\n\n"
        self._events, self._held = [], []
        self.holding = self._named = self._passed = self.ended = False
        self._continues = True

    def drop_recalls(self, message: Json) -> bool:
        """What was held back is told without the recalls of `message`. `False` where nothing is left to be told."""
        kept = without_recalls(message)
        calls = kept.get("tool_calls") or []
        if not calls and not kept.get("content"):
            return False
        usage = [event for event in self._held if _is_usage(event)]
        self._held, self._named = [], False
        if calls:
            numbered = [{**call, "index": number} for number, call in enumerate(calls)]
            self._held.append(self._written({"tool_calls": numbered}, None))
        self._held += [self._written({}, "tool_calls" if calls else "stop"), *usage]
        return True

    def _told(self, events: list[bytes]) -> list[bytes]:
        if not self._continues:
            return events
        return [told for event in events if (told := self._retold(event)) is not None]

    def _retold(self, event: bytes) -> bytes | None:
        """An event of a later stream as one of the first; `None` where it then says nothing."""
        chunk = _chunk(event)
        if chunk is None:
            return event
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices:
            chunk["choices"] = [kept for choice in choices if (kept := self._continued(choice)) is not None]
            if not chunk["choices"] and not chunk.get("usage"):
                return None
        own = {key: self._head[key] for key in ("id", "created") if key in self._head}
        return wire.with_data(event, wire.dumps({**chunk, **own}))

    def _continued(self, choice: Any) -> Any:
        """A choice without the role that was told before; `None` where it then says nothing."""
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            return choice
        delta = {key: value for key, value in delta.items() if key != "role"}
        content = delta.get("content")
        if isinstance(content, str) and content and self._joint:
            delta["content"], self._joint = self._joint + content, ""
        if not any(delta.values()) and not choice.get("finish_reason"):
            return None
        return {**choice, "delta": delta}

    def _written(self, delta: Json, finish: str | None) -> bytes:
        head = {key: self._head[key] for key in ("id", "object", "created", "model") if key in self._head}
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + wire.dumps({**head, "choices": [choice]}) + b"\n\n"


def _chunk(event: bytes) -> Json | None:
    data = wire.data_of(event)
    try:
        chunk = wire.loads(data) if data else None
    except BadRequest:
        return None
    return chunk if isinstance(chunk, dict) else None


def _is_usage(event: bytes) -> bool:
    chunk = _chunk(event)
    return chunk is not None and not chunk.get("choices") and bool(chunk.get("usage"))


def _has_calls(event: bytes) -> bool:
    """Not only the word: some upstreams write `"tool_calls": null` beside each word of text."""
    chunk = _chunk(event)
    choices = chunk.get("choices") if chunk else None
    return isinstance(choices, list) and any(
        bool(choice["delta"].get("tool_calls"))
        for choice in choices
        if isinstance(choice, dict) and isinstance(choice.get("delta"), dict)
    )
