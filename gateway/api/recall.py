"""The tool by which a model asks for what an edit left out. The gateway answers it; no caller ever sees it called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.api.values import Json, Part

RECALL = "recall"
"""The tool's name."""


def recall_tool() -> Json:
    """Its definition, as it stands last in `tools`: always the same bytes, and few, for every request carries them."""
    return {
        "type": "function",
        "function": {
            "name": RECALL,
            "description": "Read what was left out",
            "parameters": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "lines": {"type": "string", "description": "from-to"},
                    "pattern": {"type": "string"},
                },
                "required": ["id"],
            },
        },
    }


LONG_PROMPT = 9_500
"""Characters of tools and system prompt from which the tool's own tokens weigh nothing."""

MOST_WORDS = 3
"""Words of a name that tell what its tool does; in longer ones (`search_shows_for_some_api`) they tell of a topic."""

_INSTRUCTIONS = ("system", "developer")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Tools whose results are long and made by machines: shells, files, logs, builds, queries.
_MACHINE_OUTPUT = {
    "bash", "build", "builds", "cat", "cmd", "command", "commands", "compile", "console", "container", "curl",
    "database", "db", "diff", "docker", "dump", "exec", "execute", "file", "files", "find", "git", "glob", "grep",
    "head", "journal", "kubectl", "lint", "log", "logs", "ls", "notebook", "output", "powershell", "ps", "pwsh",
    "pytest", "python", "query", "read", "repl", "run", "scrape", "script", "sh", "shell", "snapshot", "sql",
    "stderr", "stdout", "tail", "terminal", "test", "tests", "trace", "traces", "tree", "view", "zsh",
}  # fmt: skip


def recall_pays(tools: Sequence[Json], parts: Sequence[Part], *, always: bool = False) -> bool:
    """Whether a conversation with these tools that begins with these parts is one to give the tool to: it has a tool
    that brings in machine output, or so long a beginning that one more tool weighs nothing. `always`: whatever its
    tools. Never without any, nor where a tool of that name is there. The same for all requests of a conversation."""
    names = list(_functions(tools))
    if not names or RECALL in names:
        return False
    return always or any(map(_yields_machine_output, names)) or _long(tools, parts)


def _functions(tools: Sequence[Json]) -> Iterator[str]:
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            yield function["name"]


def _yields_machine_output(name: str) -> bool:
    words = _WORD.findall(name)
    return len(words) <= MOST_WORDS and any(word.lower() in _MACHINE_OUTPUT for word in words)


def _length(value: object) -> int:
    """Characters of all names and texts in a JSON value."""
    if isinstance(value, dict):
        return sum(len(key) + _length(inner) for key, inner in value.items())
    if isinstance(value, list):
        return sum(map(_length, value))
    return len(value) if isinstance(value, str) else 1


def _long(tools: Sequence[Json], parts: Sequence[Part]) -> bool:
    size = sum(map(_length, tools))
    for part in parts:
        if part.role not in _INSTRUCTIONS:
            break
        size += len(part.text)
    return size >= LONG_PROMPT
