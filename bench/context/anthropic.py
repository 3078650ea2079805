"""Anthropic's form of a request, read back into the chat form, so that both can be laid out and compared alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bench.context.traces import Json


def as_chat(body: Json) -> Json:
    """A body of `/v1/messages` as one of chat completions, with its cache marks."""
    system = body.get("system")
    messages: list[Json] = [{"role": "system", "content": system}] if system else []
    for message in body["messages"]:
        messages += _messages(message)
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.get("name"),
                "description": tool.get("description", ""),
                "parameters": tool.get("input_schema"),
            },
            **_mark(tool),
        }
        for tool in body.get("tools") or ()
    ]
    return {"model": body.get("model"), "messages": messages, "tools": tools}


def _messages(message: Json) -> Iterator[Json]:
    """Results, which stand in a user's message, become messages of their own, and so do texts that several of a user's
    messages were merged from."""
    content = message["content"]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    for block in blocks:
        if block.get("type") == "tool_result":
            yield {
                "role": "tool",
                "tool_call_id": block.get("tool_use_id"),
                "content": _text(block.get("content")),
                **_mark(block),
            }
    uses = [block for block in blocks if block.get("type") == "tool_use"]
    pieces = [block for block in blocks if block.get("type") not in ("tool_result", "tool_use")]
    if message["role"] == "user":
        yield from ({"role": "user", "content": [piece]} for piece in pieces)
        return
    made: Json = {"role": message["role"], "content": pieces}
    if uses:
        made["tool_calls"] = [
            {
                "id": use.get("id"),
                "type": "function",
                "function": {"name": use.get("name"), "arguments": json.dumps(use.get("input"))},
                **_mark(use),
            }
            for use in uses
        ]
    yield made


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(piece.get("text", "") for piece in content)
    return content or ""


def _mark(block: Json) -> Json:
    return {"cache_control": block["cache_control"]} if "cache_control" in block else {}
