"""A whole chat completion: read from a JSON body, or put together from the events of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.api import BadRequest, Json, ToolCall, UpstreamError
from gateway.wire.codec import loads
from gateway.wire.sse import data_of

_OF_CALLS = ("index", "id", "type", "function", "custom")


@dataclass(frozen=True, slots=True)
class AnswerParts:
    """What the gateway reads in an answer: that of the first choice, and the upstream's own usage object
    and word for the price class that served."""

    body: Json
    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    usage: Json | None
    service_tier: str | None = None


def read_answer(raw: bytes) -> AnswerParts:
    """Raises `UpstreamError`: `protocol` where `raw` is no chat completion, `status` where it is an error object
    (some upstreams send one with status 200)."""
    try:
        body = loads(raw)
    except BadRequest as error:
        raise _no_answer("The upstream's answer is not JSON.") from error
    if not isinstance(body, dict):
        raise _no_answer("The upstream's answer is not an object.")
    return answer_parts(body)


def answer_parts(body: Json) -> AnswerParts:
    """As `read_answer`, of a parsed body."""
    if body.get("error") and not body.get("choices"):
        raise stream_error(body["error"])
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _no_answer("The upstream's answer has no choices.")
    message = choices[0].get("message")
    message = message if isinstance(message, dict) else {}
    usage = body.get("usage")
    reason, service_tier = choices[0].get("finish_reason"), body.get("service_tier")
    return AnswerParts(
        body=body,
        text=_text_of(message.get("content")),
        tool_calls=_tool_calls(message),
        finish_reason=reason if isinstance(reason, str) else None,
        usage=usage if isinstance(usage, dict) else None,
        service_tier=service_tier if isinstance(service_tier, str) else None,
    )


def collect(events: Iterable[bytes]) -> AnswerParts:
    """The answer that a stream's events spell out. Raises as `read_answer` does."""
    body: Json = {"object": "chat.completion"}
    choices: dict[int, _Choice] = {}
    for event in events:
        chunk = _chunk_of(event)
        body |= {key: value for key, value in chunk.items() if key not in ("choices", "object") and value is not None}
        for piece in chunk.get("choices") or ():
            if isinstance(piece, dict):
                index = piece["index"] if isinstance(piece.get("index"), int) else 0
                choices.setdefault(index, _Choice(index)).add(piece)
    return answer_parts(body | {"choices": [choices[index].body() for index in sorted(choices)]})


def stream_error(error: Any) -> UpstreamError:
    """The error that an upstream put where an answer should stand: in a stream, or in a body of status 200."""
    told = error if isinstance(error, dict) else {"message": str(error)}
    code = told.get("code")
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3 else code
    status = number if isinstance(number, int) and 400 <= number <= 599 else None
    return UpstreamError(
        str(told.get("message") or "The upstream reported an error."),
        fault="status" if status else "protocol",
        status=status,
        code=code if isinstance(code, str) and status is None else None,
        type=told.get("type") if isinstance(told.get("type"), str) else None,
        param=told.get("param") if isinstance(told.get("param"), str) else None,
        retryable=status is None or status == 429 or status >= 500,
        elsewhere=status is None or status not in (400, 413, 422),
    )


class _Choice:
    """One choice of a streamed answer as it grows."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._message: Json = {"role": "assistant", "content": None}
        self._calls: dict[Any, Json] = {}
        self._finish_reason: Any = None

    def add(self, piece: Json) -> None:
        if piece.get("finish_reason") is not None:
            self._finish_reason = piece["finish_reason"]
        delta = piece.get("delta")
        for key, value in delta.items() if isinstance(delta, dict) else ():
            if key == "tool_calls":
                for call in value or ():
                    self._add_call(call)
            elif key == "thinking_blocks" and isinstance(value, list):
                self._add_thinking(value)
            elif key == "role":
                self._message["role"] = value or "assistant"
            elif isinstance(value, str) and isinstance(self._message.get(key), str):
                self._message[key] += value
            elif value is not None:
                self._message[key] = value

    def body(self) -> Json:
        message = self._message | ({"tool_calls": list(self._calls.values())} if self._calls else {})
        return {"index": self._index, "message": message, "finish_reason": self._finish_reason}

    def _add_call(self, piece: Any) -> None:
        """A piece belongs to the call of its index; one without an index (some upstreams) is a whole call."""
        if not isinstance(piece, dict):
            return
        index = piece.get("index")
        key = index if isinstance(index, int) else ("whole", len(self._calls))
        kind, fields = ("custom", ("name", "input")) if "custom" in piece else ("function", ("name", "arguments"))
        call = self._calls.setdefault(key, {"id": "", "type": kind, kind: dict.fromkeys(fields, "")})
        call["id"] = call["id"] or piece.get("id") or ""
        told = piece.get(kind)
        for field in fields if kind in call else ():
            text = told.get(field) if isinstance(told, dict) else None
            call[kind][field] += text if isinstance(text, str) else ""
        # Some providers sign a call, and want that back with it.
        others = {name: value for name, value in piece.items() if name not in _OF_CALLS and value is not None}
        call.update(others)

    def _add_thinking(self, pieces: list[Any]) -> None:
        """Blocks of thought come in pieces, the last of each with its signature, without which it is worth nothing."""
        blocks: list[Json] = self._message.setdefault("thinking_blocks", [])
        for piece in pieces:
            if not isinstance(piece, dict):
                continue
            open_block = bool(blocks) and blocks[-1].get("type") == "thinking" and not blocks[-1].get("signature")
            if not open_block or piece.get("type") != "thinking":
                blocks.append(dict(piece))
                continue
            blocks[-1]["thinking"] = (blocks[-1].get("thinking") or "") + (piece.get("thinking") or "")
            if piece.get("signature"):
                blocks[-1]["signature"] = piece["signature"]


def _chunk_of(event: bytes) -> Json:
    """The event's chunk; empty for comments and the closing `[DONE]`."""
    data = data_of(event)
    if data is None or data.strip() == b"[DONE]":
        return {}
    try:
        chunk = loads(data)
    except BadRequest as error:
        raise _no_answer("The upstream's stream holds a chunk that is not JSON.") from error
    if not isinstance(chunk, dict):
        raise _no_answer("The upstream's stream holds a chunk that is not an object.")
    if chunk.get("error"):
        raise stream_error(chunk["error"])
    return chunk


def _tool_calls(message: Json) -> tuple[ToolCall, ...]:
    calls = message.get("tool_calls")
    found = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            arguments = function.get("arguments")
            found.append(
                ToolCall(
                    id=str(call.get("id") or ""),
                    name=str(function.get("name") or ""),
                    arguments=arguments if isinstance(arguments, str) else "",
                )
            )
    return tuple(found)


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (item.get("text") for item in content if isinstance(item, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def _no_answer(message: str) -> UpstreamError:
    return UpstreamError(message, fault="protocol", retryable=True, elsewhere=True)
