"""Sessions made from a seed, for kinds of traffic that no sample shows: realistic in shape and size, every name made up.

They prove nothing about real traffic. They keep a regression from hiding where there are no recordings.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence

from bench.context.traces import Json, Session

_STARTS = (
    "bar",
    "cor",
    "del",
    "fen",
    "gal",
    "hol",
    "kes",
    "lum",
    "mor",
    "nar",
    "pel",
    "quin",
    "ros",
    "sab",
    "tor",
    "vel",
)
_ENDS = ("a", "en", "ic", "ild", "in", "is", "ola", "on", "or", "um", "us", "wick")
_VERBS = ("load", "merge", "check", "parse", "queue", "store", "split", "count", "bind", "flush", "rank", "trim")
_NOUNS = (
    "batch",
    "order",
    "route",
    "stock",
    "label",
    "quota",
    "ticket",
    "event",
    "parcel",
    "window",
    "cursor",
    "lease",
)
_GLUE = ("of the", "and the", "before", "where", "so that", "is kept by", "leaves", "reads")


class Draw(random.Random):
    """A source of made-up names and numbers."""

    def name(self) -> str:
        return (self.choice(_STARTS) + self.choice(_ENDS)).capitalize()

    def word(self) -> str:
        return self.choice(_NOUNS)

    def function(self) -> str:
        return f"{self.choice(_VERBS)}_{self.choice(_NOUNS)}"

    def hex(self, digits: int) -> str:
        return f"{self.getrandbits(4 * digits):0{digits}x}"

    def uuid(self) -> str:
        return "-".join(self.hex(digits) for digits in (8, 4, 4, 4, 12))

    def address(self) -> str:
        return f"10.{self.randrange(256)}.{self.randrange(256)}.{self.randrange(1, 255)}"

    def remark(self, words: int) -> str:
        """A sentence without any name that a tool result could hold too."""
        return " ".join(self.choice((self.word, lambda: self.choice(_GLUE)))() for _ in range(words)).capitalize() + "."

    def sentence(self, words: int) -> str:
        made = [self.choice((self.word, self.function, self.name))() for _ in range(words // 3)]
        glue = self.choices(_GLUE, k=len(made))
        return " ".join(f"{one} {two}" for one, two in zip(made, glue, strict=True)).capitalize() + f" {self.word()}."


class Script:
    """A conversation as it grows: what is said, what is called, and what an answer needed."""

    def __init__(self, kind: str, number: int, system: str, tools: Iterable[str]) -> None:
        self._kind, self._id = kind, f"{kind}-{number}"
        self.messages: list[Json] = [{"role": "system", "content": system}]
        self._tools = [_tool(name) for name in tools]
        self._cuts: list[int] = []
        self._gold: dict[int, list[str]] = {}

    def user(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def call(self, tool: str, arguments: Json, result: str, *, thought: str | None = None) -> None:
        self._cuts.append(len(self.messages))
        id = f"call_{len(self.messages)}"
        call = {"id": id, "type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
        self.messages.append({"role": "assistant", "content": thought, "tool_calls": [call]})
        self.messages.append({"role": "tool", "tool_call_id": id, "content": result})

    def bash(self, command: str, result: str, *, thought: str | None = None) -> None:
        self.call("bash", {"command": command}, result, thought=thought)

    def answer(self, text: str, gold: Sequence[str] = ()) -> None:
        """What the model says at the end of a task; `gold` is what it needed of the prompt for that."""
        self._cuts.append(len(self.messages))
        if gold:
            self._gold[len(self.messages)] = list(gold)
        self.messages.append({"role": "assistant", "content": text})

    def session(self) -> Session:
        body = {"model": "gpt-5-mini", "messages": self.messages, "tools": self._tools}
        return Session(self._id, self._kind, body, tuple(self._cuts), self._gold)


_PARAMETERS = {
    "bash": ("Run a command in the shell.", ("command",)),
    "read_file": ("Show a window of a file with line numbers.", ("path", "offset", "limit")),
    "edit_file": ("Replace a text that occurs once in a file.", ("path", "old", "new")),
    "grep": ("Search files by a regular expression.", ("pattern", "path")),
    "http_get": ("Ask the API.", ("path", "query")),
    "http_patch": ("Change a record of the API.", ("path", "body")),
    "search": ("Find passages.", ("query",)),
}


def _tool(name: str) -> Json:
    told, parameters = _PARAMETERS[name]
    schema = {"type": "object", "properties": {parameter: {"type": "string"} for parameter in parameters}}
    return {"type": "function", "function": {"name": name, "description": told, "parameters": schema}}
