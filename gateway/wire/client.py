"""Who is at the other end, as far as its headers tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

_KINDS = (  # beginnings of a user agent, in lower case
    ("openai/python", "openai-python"),
    ("asyncopenai/python", "openai-python"),
    ("openai/js", "openai-node"),
    ("claude-cli", "claude-code"),
    ("claude-code", "claude-code"),
    ("codex", "codex"),
)
_FOREIGN = re.compile(r"[^a-z0-9._-]+")
_LONGEST = 40


def client_kind(headers: Mapping[str, str]) -> str:
    """A short name of the client program, without its version; empty where it does not say."""
    agent = headers.get("user-agent", "").strip().lower()
    for beginning, kind in _KINDS:
        if agent.startswith(beginning):
            return kind
    first = agent[:200].split("/", 1)[0].split(" ", 1)[0]
    return _FOREIGN.sub("-", first)[:_LONGEST].strip("-")


def retry_count(headers: Mapping[str, str]) -> int:
    """How often the client's SDK has sent this request before."""
    said = headers.get("x-stainless-retry-count", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0
