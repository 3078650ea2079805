"""Whether a call reads files of source, configuration or documentation: what an agent edits by its exact text.

Such a result holds what people wrote. A feature list with check marks is no run of passing tests there, and an
assembler's `LD A,B` no build step.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_SOURCE = re.compile(
    r"\.(?:pyi?|pyx|[cm]?[jt]sx?|vue|svelte|astro|java|kts?|scala|groovy|gradle|go|rs|[chm]|cc|cpp|cxx|hh|hpp|mm|cs|fs|vb|rb"
    r"|php|p[lm]|lua|jl|swift|dart|exs?|erl|hs|mli?|clj[cs]?|el|lisp|sql|(?:ba|z|fi)?sh|ps1|bat|asm|s|mdx?|rst|adoc"
    r"|html?|s?css|sass|less|xml|ya?ml|toml|ini|cfg|conf|tf|hcl|proto|graphql|cmake|mk|tex|nix|zig|sol|r)"
    r"(?![\w.])|\b(?:Makefile|Dockerfile|README)\b",
    re.IGNORECASE,
)
_READING_TOOL = re.compile(r"(?:^|[^a-z])(?:read|view|open|cat|show|get|edit|editor)(?![a-z])", re.IGNORECASE)
_COMMANDS = ("command", "cmd", "script", "input")
_PATHS = ("path", "file_path", "filepath", "filename", "file", "target_file")
_BETWEEN = re.compile(r"&&|\|\||[;|\n]")
_READERS = {"cat", "bat", "batcat", "nl", "head", "tail", "sed", "less", "more", "type", "Get-Content", "gc"}
_BESIDE = {"cd", "echo", "wc", "pwd", "ls"}
LONGEST_COMMAND = 2_000  # characters: a longer one does more than read


def reads_source(tool: str | None, arguments: str) -> bool:
    """`arguments` as the model wrote them; what cannot be read as an object reads nothing."""
    if len(arguments) > LONGEST_COMMAND or not _SOURCE.search(arguments):
        return False
    try:
        given = orjson.loads(arguments)
    except ValueError:
        return False
    if not isinstance(given, dict):
        return False
    if given.get("command") != "view" and (command := _command(given)):
        return _only_reads(command)
    named = (given.get(key) for key in _PATHS)
    reading = given.get("command") == "view" or bool(tool and _READING_TOOL.search(tool))
    return reading and any(isinstance(path, str) and _SOURCE.search(path) for path in named)


def _command(given: dict[str, Any]) -> str:
    """The command line in a call's arguments: a text, or the last of a list such as `bash -lc ...`."""
    for key in _COMMANDS:
        told = given.get(key)
        if isinstance(told, list) and told and all(isinstance(word, str) for word in told):
            return str(told[-1] if "-lc" in told or "-c" in told else " ".join(told))
        if isinstance(told, str) and told:
            return told
    return ""


def _only_reads(command: str) -> bool:
    """Whether each part of a command line prints files, or says little, and one of them prints a source file."""
    source = False
    for part in _BETWEEN.split(command):
        words = part.split()
        if not words:
            continue
        if words[0] not in _READERS and words[0] not in _BESIDE:
            return False
        source = source or (words[0] in _READERS and _SOURCE.search(part) is not None)
    return source
