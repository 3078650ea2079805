"""The facts that an answer took from tool results, and whether the prompt still holds them.

A needle is a word with a digit, an inner mark or an inner capital (ids, paths, numbers, names), or a whole line, that
the next answer copies from a tool result and could have from nowhere else in the prompt; and what a session states as
needed. It is kept where it stands in the prompt word for word, as it is or as JSON writes it. Where it does not, but
the result that held it says that it can be recalled, it needs a recall; else it is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.context.model import texts_by_id
from bench.context.prompt import content_of, layout
from bench.context.traces import Json, Turn
from gateway_reduce.marks import LEFT_OUT

_WORD = re.compile(r"[A-Za-z0-9_./:@#\-]{4,120}")
_TELLING = re.compile(r"\d|[_/.@:#-].|[a-z][A-Z]")
_LETTER = re.compile(r"[A-Za-z]")
_TIME = re.compile(r"\d[\d:.,/TZ+-]*(?:[kKMGT]?i?B|[mun]?s|[AP]M)?")
_ID = re.compile(r"recall ([0-9a-f]{12})")
SHORTEST_WORD, SHORTEST_LINE = 4, 20  # characters


@dataclass(frozen=True)
class Found:
    """What became of an answer's needles."""

    kept: frozenset[str] = frozenset()
    recall: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()

    @property
    def wanted(self) -> int:
        return len(self.kept) + len(self.recall) + len(self.lost)


def needles(turn: Turn) -> frozenset[str]:
    """What a turn's answer needs of tool results."""
    wanted = set(turn.gold)
    if turn.answer is None:
        return frozenset(wanted)
    results = "\n".join(content_of(message) for message in turn.body["messages"] if _is_result(message))
    others = "\n".join(layout(message) for message in turn.body["messages"] if not _is_result(message))
    said = "\n".join([content_of(turn.answer), *_argument_strings(turn.answer)])
    found = telling_words(said)
    found |= {line for line in map(str.strip, said.splitlines()) if len(line) >= SHORTEST_LINE and _LETTER.search(line)}
    return frozenset(wanted | {fact for fact in found if fact in results and fact not in others})


def telling_words(text: str) -> set[str]:
    """Words that name something: ids, paths, numbers."""
    words = {word.strip(".:-#/,") for word in _WORD.findall(text)}
    return {word for word in words if len(word) >= SHORTEST_WORD and _TELLING.search(word)}


def look_up(wanted: Iterable[str], before: Json, after: Json, told: str | None = None) -> Found:
    """Where the needles are in the changed body. `told` is what recalls brought; without it whatever an id in the
    prompt stands for counts as what one would bring."""
    text = "\n".join(map(layout, after["messages"]))
    kept = frozenset(fact for fact in wanted if _holds(text, fact))
    missing = frozenset(wanted) - kept
    if not missing:
        return Found(kept)
    if told is None:
        ids = set(_ID.findall(text))
        told = "\n".join(text for id, text in texts_by_id(before).items() if id in ids)
    recall = frozenset(fact for fact in missing if _holds(told, fact))
    return Found(kept, recall, missing - recall)


def log_facts(before: Json, after: Json) -> tuple[int, int]:
    """Of the results that say that something was left out: their distinct facts other than numbers and times, and how
    many of these the prompt still holds."""
    there = telling_words("\n".join(map(layout, after["messages"])))
    facts: set[str] = set()
    for old, new in zip(before["messages"], after["messages"], strict=False):
        if _is_result(old) and content_of(new).count(LEFT_OUT) > content_of(old).count(LEFT_OUT):
            facts |= {word for word in telling_words(content_of(old)) if not _TIME.fullmatch(word)}
    return len(facts), len(facts & there)


def _is_result(message: Json) -> bool:
    return message.get("role") in ("tool", "function")


def _holds(text: str, fact: str) -> bool:
    return fact in text or json.dumps(fact, ensure_ascii=False)[1:-1] in text


def _argument_strings(answer: Json) -> list[str]:
    strings: list[str] = []
    for call in answer.get("tool_calls") or ():
        arguments = (call.get("function") or {}).get("arguments") or ""
        try:
            todo = [json.loads(arguments)]
        except ValueError:  # free text, or cut off
            strings.append(arguments)
            continue
        while todo:
            value = todo.pop()
            if isinstance(value, dict):
                todo.extend(value.values())
            elif isinstance(value, list):
                todo.extend(value)
            else:
                strings.append(str(value))
    return strings
