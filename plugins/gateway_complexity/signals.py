"""Measurable traits of a request, each between 0 and 1: what the factors' points are made of.

None of them knows a topic or a benchmark. `docs/explanation/routing.md` has what each was worth on measured outcomes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import islice
from string import ascii_lowercase
from typing import Final, NamedTuple

from gateway_complexity.conversation import Tool

_QUOTES: Final = "\"'`,="
_LETTERS: Final = bytes(code if chr(code) in ascii_lowercase else ord(" ") for code in range(256))
"""Each byte's translation: small letters stay, all else becomes a blank."""
_SHORTEST: Final = 3
"""Letters of the shortest word by which tools are compared with a request."""
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
_FILE: Final = re.compile(r"(?:[\w@.-]*+/)*+([\w@.-]*\w\.(?:[a-z][a-z0-9]{1,4}|[chors]))(?::\d+)*")
_AROUND: Final = ".,;:!?()[]{}<>*"
_COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        "the and for are was were been with from this that these those what which how can could would does did have "
        "has had will please help find get give tell want need know using use given when who where there their them "
        "they than then into between about each also all any some one two his her she not out your our just like you "
        "return returns specific provided based value values number optional default set name",
    )
)
_STEM: Final = 6
"""Characters of a word that count: enough to tell words apart, short enough to bring their forms together."""

_SPOKEN: Final = 240
"""Characters read of a tool's or a parameter's description."""
_PARAMETERS: Final = 12
"""Parameters read of a tool."""


class Said(NamedTuple):
    """What is read of a tool: its own name and those of its parameters, its own description and theirs."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]


Vocabulary = Callable[[Said], tuple[frozenset[str], frozenset[str]]]


def growth(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on, and logarithmic between: each doubling adds the same."""
    if value <= start:
        return 0.0
    return min(1.0, math.log(value / start) / math.log(end / start))


def length(characters: int) -> float:
    return growth(characters, 20, 6_000)


def code(text: str) -> float:
    lower = text.lower()
    marks = sum([lower.count(mark) for mark in _CODE])
    if "_" in text:
        marks += sum(["_" in word.strip("_") for word in text.split() if "_" in word])
    return growth(1 + marks, 1, 8)


def negation(text: str) -> float:
    return growth(1 + len([word for word in words(text) if word in _NEGATIONS]), 1, 5)


def several(text: str) -> float:
    """Whether more than one thing is asked for at once."""
    lower = text.lower()
    return growth(1 + sum([lower.count(mark) for mark in _SEVERAL]), 1, 8)


def files(text: str) -> frozenset[str]:
    """The names of files in a text: words with an extension, without their folders."""
    if "." not in text:
        return frozenset()
    for quote in _QUOTES:
        text = text.replace(quote, " ")
    dotted = {word.strip(_AROUND) for word in text.split() if "." in word and "(" not in word[1:]}
    matches = [_FILE.fullmatch(word) for word in dotted if "." in word]
    return frozenset([match[1] for match in matches if match])


def asked(text: str) -> frozenset[str]:
    """The words of a request, in the form in which tools are compared with them."""
    return _stems(_spaced(text))


def misfit(asked: frozenset[str], tools: Sequence[Tool], offered: int, vocabulary: Vocabulary) -> float:
    """How little the tools on offer have to do with the request: a weak model calls one all the same.

    Word overlap, both ways: how much of the best tool's name is in the request, and how much of the request any tool
    speaks of. A long request speaks of more than a tool can, and among many tools there is always one that seems to
    fit, so the sign fades out with both.
    """
    weight = (1.0 - growth(len(asked), 40, 160)) * (1.0 - growth(offered, 6, 24))
    if not asked or not tools or not weight:
        return 0.0
    named = covered = 0.0
    for tool in tools:
        name, spoken = vocabulary(said(tool))
        named = max(named, len(asked & name) / len(name) if name else 0.0)
        covered = max(covered, len(asked & spoken) / len(asked))
    return (1.0 - (named + covered) / 2) * weight


def said(tool: Tool) -> Said:
    descriptions, names = [tool.description[:_SPOKEN]], [tool.name[:_SPOKEN]]
    for name, schema in islice(tool.parameters.items(), _PARAMETERS):
        names.append(str(name)[:_SPOKEN])
        description = schema.get("description") if isinstance(schema, dict) else None
        if isinstance(description, str):
            descriptions.append(description[:_SPOKEN])
    return Said(tuple(names), tuple(descriptions))


def vocabulary(said: Said) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a tool's name, and these with all others that are said of it."""
    name = _stems(_spaced(said.names[0]))
    return name, name | _stems(_spaced(" ".join(said.names[1:]))) | _stems(" ".join(said.descriptions))


def _spaced(text: str) -> str:
    """With the words of `camelCase` apart."""
    return _HUMP.sub(" ", text)


def _stems(text: str) -> frozenset[str]:
    return frozenset([word[:_STEM] for word in words(text) if len(word) >= _SHORTEST and word not in _COMMON])


def words(text: str) -> list[str]:
    """The runs of the letters a to z, in small letters. A table is faster here than an expression."""
    return text.lower().encode("ascii", "replace").translate(_LETTERS).decode("ascii").split()
