"""How the scripted upstream words one `Reply` in each provider's wire format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens the upstream reports. `prompt` counts all of the prompt, cached and cache-written tokens included;
    `cache_write_1h` is the share of `cache_write` that is kept for an hour."""

    prompt: int = 11
    completion: int = 7
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer.

    `tool_calls` are (name, arguments) pairs. `json` is answered as text; `thinking` comes before it. `body` replaces
    the whole body, whatever it is. `error` with a status is the error object of a plain answer; with a stream it comes
    after `cut_after` events.
    `delay` and `gap` are seconds, before the head and between events. `drop` closes the connection without an answer;
    `cut_after` breaks a stream off after that many events: by a reset, by silence (`hang`), or cleanly (`clean_cut`).
    """

    text: str | None = None
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    json: Any = None
    finish: str | None = None
    usage: Counts | None = field(default_factory=Counts)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    body: bytes | None = None
    error: Mapping[str, Any] | None = None
    delay: float = 0.0
    gap: float = 0.0
    drop: bool = False
    cut_after: int | None = None
    hang: bool = False
    clean_cut: bool = False
    done: bool = True
    gzip: bool = False
    chunks: tuple[str, ...] = ()
    thinking: str | None = None

    @property
    def said(self) -> str:
        if self.json is not None:
            return orjson.dumps(self.json).decode()
        return self.text or "".join(self.chunks)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text as a stream brings it: as told, else word by word."""
        if self.chunks:
            return self.chunks
        words = self.said.split(" ")
        return tuple(word if last else f"{word} " for word, last in _with_last(words)) if self.said else ()


def _with_last(items: list[str]) -> Iterator[tuple[str, bool]]:
    for index, item in enumerate(items):
        yield item, index == len(items) - 1


@dataclass(frozen=True, slots=True)
class Dialect:
    streams: Callable[[Mapping[str, Any], str], bool]
    whole: Callable[[Reply, Mapping[str, Any]], bytes]
    events: Callable[[Reply, Mapping[str, Any]], AsyncIterator[bytes]]
    fault: Callable[[Mapping[str, Any]], bytes]


def _event(data: Any, name: str | None = None) -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"


def _fault(error: Mapping[str, Any]) -> bytes:
    return _event({"error": error})


# OpenAI


def _openai_usage(counts: Counts) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
    }
    if counts.cached or counts.cache_write:
        usage["prompt_tokens_details"] = {"cached_tokens": counts.cached, "cache_write_tokens": counts.cache_write}
    if counts.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return usage


def _openai_calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": orjson.dumps(arguments).decode()},
        }
        for index, (name, arguments) in enumerate(reply.tool_calls)
    ]


def _openai_finish(reply: Reply) -> str:
    return reply.finish or ("tool_calls" if reply.tool_calls else "stop")


def _openai_whole(reply: Reply, body: Mapping[str, Any]) -> bytes:
    if reply.status != 200:
        error = reply.error or {"message": f"scripted {reply.status}", "type": "server_error", "code": None}
        return orjson.dumps({"error": error})
    message: dict[str, Any] = {"role": "assistant", "content": reply.said or None}
    if reply.tool_calls:
        message["tool_calls"] = _openai_calls(reply)
    answer: dict[str, Any] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": _openai_finish(reply), "logprobs": None}],
    }
    if reply.usage is not None:
        answer["usage"] = _openai_usage(reply.usage)
    return orjson.dumps(answer)


async def _openai_events(reply: Reply, body: Mapping[str, Any]) -> AsyncIterator[bytes]:
    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**head, "choices": [choice]})

    head = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": body.get("model"),
    }
    yield chunk({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    for index, call in enumerate(_openai_calls(reply)):
        arguments = call["function"].pop("arguments")
        yield chunk({"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]})
        for part in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    yield chunk({}, _openai_finish(reply))
    asked = (body.get("stream_options") or {}).get("include_usage")
    if reply.usage is not None and asked:
        yield _event({**head, "choices": [], "usage": _openai_usage(reply.usage)})
    if reply.done:
        yield b"data: [DONE]\n\n"


openai = Dialect(
    streams=lambda body, _: body.get("stream") is True, whole=_openai_whole, events=_openai_events, fault=_fault
)


# Anthropic


def _anthropic_usage(counts: Counts) -> dict[str, Any]:
    short = counts.cache_write - counts.cache_write_1h
    return {
        "input_tokens": counts.prompt - counts.cached - counts.cache_write,
        "cache_read_input_tokens": counts.cached,
        "cache_creation_input_tokens": counts.cache_write,
        "cache_creation": {
            "ephemeral_5m_input_tokens": short,
            "ephemeral_1h_input_tokens": counts.cache_write_1h,
        },
        "output_tokens": counts.completion,
    }


def _anthropic_blocks(reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.thinking:
        blocks.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2ln"})
    if reply.said:
        blocks.append({"type": "text", "text": reply.said})
    for index, (name, arguments) in enumerate(reply.tool_calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": dict(arguments)})
    return blocks


def _anthropic_stop(reply: Reply) -> str:
    return reply.finish or ("tool_use" if reply.tool_calls else "end_turn")


def _anthropic_whole(reply: Reply, body: Mapping[str, Any]) -> bytes:
    if reply.status != 200:
        error = reply.error or {"type": "api_error", "message": f"scripted {reply.status}"}
        return orjson.dumps({"type": "error", "error": error})
    return orjson.dumps(
        {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": _anthropic_blocks(reply),
            "stop_reason": _anthropic_stop(reply),
            "stop_sequence": None,
            "usage": _anthropic_usage(reply.usage or Counts()),
        }
    )


def _anthropic_deltas(reply: Reply, block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block is opened, and what comes after."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in reply.pieces]
    if block["type"] == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            signed,
        ]
    arguments = orjson.dumps(block["input"]).decode() if block["input"] else ""
    pieces = (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]) if arguments else ("",)
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


async def _anthropic_events(reply: Reply, body: Mapping[str, Any]) -> AsyncIterator[bytes]:
    usage = _anthropic_usage(reply.usage or Counts())
    start: dict[str, Any] = {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield _event({"type": "message_start", "message": start}, "message_start")
    for index, block in enumerate(_anthropic_blocks(reply)):
        opened, deltas = _anthropic_deltas(reply, block)
        yield _event({"type": "content_block_start", "index": index, "content_block": opened}, "content_block_start")
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
        yield _event({"type": "content_block_stop", "index": index}, "content_block_stop")
    ending = {"stop_reason": _anthropic_stop(reply), "stop_sequence": None}
    output = {"output_tokens": usage["output_tokens"]}
    yield _event({"type": "message_delta", "delta": ending, "usage": output}, "message_delta")
    if reply.done:
        yield _event({"type": "message_stop"}, "message_stop")


def _anthropic_fault(error: Mapping[str, Any]) -> bytes:
    return _event({"type": "error", "error": error}, "error")


anthropic = Dialect(
    streams=lambda body, _: body.get("stream") is True,
    whole=_anthropic_whole,
    events=_anthropic_events,
    fault=_anthropic_fault,
)


# Gemini


def _gemini_usage(counts: Counts) -> dict[str, Any]:
    usage = {
        "promptTokenCount": counts.prompt,
        "candidatesTokenCount": counts.completion - counts.reasoning,
        "totalTokenCount": counts.prompt + counts.completion,
    }
    if counts.cached:
        usage["cachedContentTokenCount"] = counts.cached
    if counts.reasoning:
        usage["thoughtsTokenCount"] = counts.reasoning
    return usage


def _gemini_answer(parts: list[dict[str, Any]], finish: str | None, usage: Counts | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    answer: dict[str, Any] = {"candidates": [candidate], "modelVersion": "scripted", "responseId": "scripted"}
    if usage is not None:
        answer["usageMetadata"] = _gemini_usage(usage)
    return answer


def _gemini_calls(reply: Reply) -> list[dict[str, Any]]:
    return [{"functionCall": {"name": name, "args": dict(arguments)}} for name, arguments in reply.tool_calls]


def _gemini_whole(reply: Reply, _body: Mapping[str, Any]) -> bytes:
    if reply.status != 200:
        error = reply.error or {"code": reply.status, "message": f"scripted {reply.status}", "status": "INTERNAL"}
        return orjson.dumps({"error": error})
    parts: list[dict[str, Any]] = _gemini_thoughts(reply) + ([{"text": reply.said}] if reply.said else [])
    return orjson.dumps(_gemini_answer(parts + _gemini_calls(reply), reply.finish or "STOP", reply.usage))


def _gemini_thoughts(reply: Reply) -> list[dict[str, Any]]:
    return [{"text": reply.thinking, "thought": True}] if reply.thinking else []


async def _gemini_events(reply: Reply, _body: Mapping[str, Any]) -> AsyncIterator[bytes]:
    for thought in _gemini_thoughts(reply):
        yield _event(_gemini_answer([thought], None, None))
    for piece in reply.pieces:
        yield _event(_gemini_answer([{"text": piece}], None, None))
    for call in _gemini_calls(reply):
        yield _event(_gemini_answer([call], None, None))
    yield _event(_gemini_answer([{"text": ""}], reply.finish or "STOP", reply.usage))


gemini = Dialect(
    streams=lambda _, path: path.endswith(":streamGenerateContent"),
    whole=_gemini_whole,
    events=_gemini_events,
    fault=_fault,
)
