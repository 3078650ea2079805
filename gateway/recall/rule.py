"""Whether the model may ask for what was left out of its prompt.

Only what is the same in all requests of a conversation is looked at: a tool that comes or goes changes the prompt's
beginning, and with it all that the provider has cached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from gateway import wire
from gateway.api import RECALL, ChatRequest

Mode = Literal["auto", "always", "never"]

LONG_PROMPT = 8_000
"""Characters of tools and system prompt from which the tool's own tokens weigh nothing."""

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


def offered(request: ChatRequest, mode: Mode) -> bool:
    """Whether the tool is put into the request's prompt."""
    if mode == "never" or not request.hints.recall or request.body.get("n") not in (None, 1):
        return False
    names = list(_functions(request))
    if not names or RECALL in names:
        return False
    return mode == "always" or any(map(_yields_machine_output, names)) or _long(request)


def _functions(request: ChatRequest) -> Iterator[str]:
    for tool in request.tools:
        function = tool.get("function")
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            yield function["name"]


def _yields_machine_output(name: str) -> bool:
    return any(word.lower() in _MACHINE_OUTPUT for word in _WORD.findall(name))


def _long(request: ChatRequest) -> bool:
    size = len(wire.dumps(request.tools))
    for part in request.parts:
        if part.role not in _INSTRUCTIONS:
            break
        size += len(part.text)
    return size >= LONG_PROMPT
