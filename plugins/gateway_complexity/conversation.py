"""What the factors read of a request: bounded excerpts of its conversation and the tools it offers.

However large a body is, only its newest parts and the ends of long texts are looked at; lengths are counted, not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.api import ChatRequest, Part, PartKind

HEAD: Final = 700
"""Characters read at the start of a text: where people put the instruction when they paste something behind it."""
TAIL: Final = 400
"""Characters read at its end: where they put it when they paste something before it."""
RECENT: Final = 48
"""How many of the newest parts are read for files, calls and failures."""
MAX_TOOLS: Final = 24
"""How many tools are read; all are counted."""
PARAMETER_LENGTH: Final = 80
"""Characters that a parameter's definition takes, for the size of the prompt; they are not counted one by one."""

# Agents without native tool calls hand a command's output back as a user turn. It is not what the person asked.
_OBSERVATION: Final = re.compile(
    r"\s*(?:<(?:returncode|output|observation|tool_result|tool_response|function_results|environment_details|"
    r"system-reminder)\b|observation:|tool result|\[tool)",
    re.IGNORECASE,
)


class Tool(NamedTuple):
    """A tool on offer: its name, what is said of it, its parameters' schemas by name, and how many are required."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    required: int

    @property
    def size(self) -> int:
        """About how many characters it takes."""
        return len(self.name) + len(self.description) + PARAMETER_LENGTH * len(self.parameters)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request as the factors see it. `newest` and `first` are excerpts of what the person asked last and first,
    `newest_length` is the newest's length in characters, `characters` that of the whole prompt with its tools."""

    newest: str
    first: str
    newest_length: int
    answered: bool
    characters: int
    recent: tuple[Part, ...]
    tools: tuple[Tool, ...]
    offered: int


def read(request: ChatRequest) -> Conversation:
    return _conversation(request.parts, request.tools, request.size)


def read_body(body: Any) -> Conversation:
    """Read a chat body that has not been through the gateway's parser. Anything unexpected is passed over."""
    mapping = body if isinstance(body, Mapping) else {}
    messages, tools = mapping.get("messages"), mapping.get("tools")
    parts = tuple(_parts(messages)) if isinstance(messages, list) else ()
    offered = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return _conversation(parts, offered, 0)


def _conversation(parts: Sequence[Part], offered: Sequence[Mapping[str, Any]], size: int) -> Conversation:
    asked = [part for part in parts if part.role == "user" and part.kind == "text"]
    first = asked[0] if asked else None
    newest = next((part for part in reversed(asked) if not _OBSERVATION.match(part.text)), _last(asked))
    tools = tuple([_tool(tool) for tool in offered[:MAX_TOOLS]])
    text = sum([len(part.text) for part in parts])
    per_tool = sum([tool.size for tool in tools]) / max(1, len(tools))
    return Conversation(
        newest=excerpt(newest.text) if newest else "",
        first=excerpt(first.text) if first else "",
        newest_length=len(newest.text) if newest else 0,
        answered=newest is not None and _answered(parts, newest),
        # The body's size counts images and escapes too, so it only stands in where there is no text to count.
        characters=int(text + per_tool * len(offered)) or size,
        recent=tuple(parts[-RECENT:]),
        tools=tools,
        offered=len(offered),
    )


def excerpt(text: str) -> str:
    """The start and the end of a text, or all of a short one."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


def _answered(parts: Sequence[Part], newest: Part) -> bool:
    """Whether the assistant spoke before it. The parts stand in the order of their messages."""
    for part in parts:
        if part.message >= newest.message:
            return False
        if part.role == "assistant":
            return True
    return False


def _last(parts: Sequence[Part]) -> Part | None:
    return parts[-1] if parts else None


def _parts(messages: Sequence[Any]) -> list[Part]:
    parts: list[Part] = []
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping):
            continue
        role = message.get("role")
        role = role if isinstance(role, str) else "user"
        kind: PartKind = "tool_result" if role in {"tool", "function"} else "text"
        path = ("messages", index, "content")
        parts.extend(Part(path, role, kind, text, index) for text in _texts(message.get("content")))
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                name, arguments = _text(function.get("name")), _text(function.get("arguments"))
                parts.append(Part(("messages", index, "tool_calls"), role, "tool_call", arguments, index, tool=name))
    return parts


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    return [item["text"] for item in content if isinstance(item, Mapping) and isinstance(item.get("text"), str)]


def _tool(tool: Mapping[str, Any]) -> Tool:
    inner = tool.get("function")
    function = inner if isinstance(inner, dict) else tool
    schema = function.get("parameters", function.get("input_schema"))
    schema = schema if isinstance(schema, dict) else {}
    properties, required = schema.get("properties"), schema.get("required")
    return Tool(
        name=_text(function.get("name")),
        description=_text(function.get("description")),
        parameters=properties if isinstance(properties, dict) else {},
        required=len(required) if isinstance(required, list) else 0,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
