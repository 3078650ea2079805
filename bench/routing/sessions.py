"""Requests as agents send them: a task, and calls of a tool with their results; every text is one of its own."""

from __future__ import annotations

import json
import random
from typing import Any

from gateway.api import ChatRequest
from gateway.wire import parse

_TEXT = (
    "the file src/app/main.py is read and def run(self): return None error in tests 12 passed, failed value_of x.y "
    "config.yaml import os line not found"
)
_WORDS = _TEXT.split()


def request(number: int, *, messages: int, characters: int, tools: int) -> ChatRequest:
    """About `characters` long, the tools aside."""
    draw = random.Random(number)
    task = f"Fix bug {number}, which makes login fail in auth.py: {_text(draw, 150)}"
    conversation: list[dict[str, Any]] = [{"role": "user", "content": task}]
    while len(conversation) < messages:
        arguments = json.dumps({"command": f"pytest tests/test_{len(conversation)}.py {_text(draw, 20)}"})
        call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": arguments}}
        result = _text(draw, 2 * characters // messages // 6)
        conversation += [
            {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": result},
        ]
    body = {"model": "auto", "messages": conversation, "tools": [_tool(draw, index) for index in range(tools)]}
    return parse(json.dumps(body).encode(), {})


def _tool(draw: random.Random, index: int) -> dict[str, Any]:
    properties = {f"argument_{one}": {"type": "string", "description": _text(draw, 12)} for one in range(5)}
    parameters = {"type": "object", "properties": properties, "required": ["argument_0"]}
    function = {"name": f"tool_{index}", "description": _text(draw, 40), "parameters": parameters}
    return {"type": "function", "function": function}


def _text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choice(_WORDS) for _ in range(words))
