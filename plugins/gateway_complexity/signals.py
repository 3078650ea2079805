"""Measurable traits of a request, each between 0 and 1: what the factors' points are made of.

None of them knows a topic or a benchmark. `docs/explanation/routing.md` has what each was worth on measured outcomes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from gateway_complexity.conversation import Tool

_SPLIT: Final = re.compile(r"[\s\"'`,=]+")
_WORD: Final = re.compile(r"[a-z]{3,}")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CODE: Final = (
    "```",
    "def ",
    "class ",
    "import ",
    "return ",
    "const ",
    "function",
    "python",
    "javascript",
    "sql",
    "()",
    ";\n",
)
_NEGATIONS: Final = frozenset({"not", "never", "except", "unless", "without", "neither", "least", "incorrect", "false"})
_SEVERAL: Final = (
    " also ",
    "additionally",
    "furthermore",
    "moreover",
    "as well",
    "respectively",
    " both ",
    " each ",
    "lastly",
    "finally",
    "and then",
    "after that",
    "? ",
    ". ",
)
_FILE: Final = re.compile(r"(?:[\w@.-]*/)*([\w@.-]*\w\.(?:[a-z][a-z0-9]{1,4}|[chors]))(?::\d+)*")
_AROUND: Final = ".,;:!?()[]{}<>*"
_COMMON: Final = frozenset(
    _WORD.findall(
        "the and for are was were been with from this that these those what which how can could would does did have "
        "has had will please help find get give tell want need know using use given when who where there their them "
        "they than then into between about each also all any some one two his her she not out your our just like you "
        "return returns specific provided based value values number optional default set name"
    )
)
_STEM: Final = 6
"""Characters of a word that count: enough to tell words apart, short enough to bring their forms together."""

_SPOKEN: Final = 240
"""Characters read of a tool's or a parameter's description."""
_PARAMETERS: Final = 12
"""Parameters read of a tool."""


def growth(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on, and logarithmic between: each doubling adds the same."""
    if value <= start:
        return 0.0
    return min(1.0, math.log(value / start) / math.log(end / start))


def length(characters: int) -> float:
    return growth(characters, 20, 6_000)


def code(text: str) -> float:
    lower = text.lower()
    marks = sum(lower.count(mark) for mark in _CODE)
    if "_" in text:
        marks += sum("_" in word.strip("_") for word in text.split())
    return growth(1 + marks, 1, 8)


def negation(text: str) -> float:
    return growth(1 + sum(word in _NEGATIONS for word in _WORD.findall(text.lower())), 1, 5)


def several(text: str) -> float:
    """Whether more than one thing is asked for at once."""
    lower = text.lower()
    return growth(1 + sum(lower.count(mark) for mark in _SEVERAL), 1, 8)


def files(texts: Sequence[str]) -> set[str]:
    """The names of files in some texts: words with an extension, without their folders."""
    words = {
        word for text in texts if "." in text for word in _SPLIT.split(text) if "." in word and "(" not in word[1:]
    }
    matches = (_FILE.fullmatch(word.strip(_AROUND)) for word in words)
    return {match[1] for match in matches if match}


def misfit(text: str, tools: Sequence[Tool], offered: int) -> float:
    """How little the tools on offer have to do with the request: a weak model calls one all the same.

    Word overlap, both ways: how much of the best tool's name is in the request, and how much of the request any tool
    speaks of. A long request speaks of more than a tool can, and among many tools there is always one that seems to
    fit, so the sign fades out with both.
    """
    asked = _stems(_HUMP.sub(" ", text))
    weight = (1.0 - growth(len(asked), 40, 160)) * (1.0 - growth(offered, 6, 24))
    if not asked or not tools or not weight:
        return 0.0
    named = covered = 0.0
    for tool in tools:
        name = _stems(_spaced(tool.name[:_SPOKEN]))
        spoken = name | _stems(_described(tool))
        named = max(named, len(asked & name) / len(name) if name else 0.0)
        covered = max(covered, len(asked & spoken) / len(asked))
    return (1.0 - (named + covered) / 2) * weight


def _described(tool: Tool) -> str:
    said = [tool.description[:_SPOKEN]]
    for name, schema in islice(tool.parameters.items(), _PARAMETERS):
        said.append(_spaced(str(name)[:_SPOKEN]))
        description = schema.get("description") if isinstance(schema, Mapping) else None
        if isinstance(description, str):
            said.append(description[:_SPOKEN])
    return " ".join(said)


def _spaced(name: str) -> str:
    """An identifier's words."""
    return _HUMP.sub(" ", name.replace("_", " ").replace(".", " "))


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.lower()) if word not in _COMMON}
