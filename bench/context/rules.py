"""What an optimizer must leave alone, and what of the facts the next answer used is still to be read."""

from __future__ import annotations

import json
import re
from typing import Any

from bench.context.traces import Json, Turn

_WORD = re.compile(r"[\w./:@#-]{5,80}")
_TELLING = re.compile(r"\d|\w[_/@#]\w|[a-z][A-Z]")
LINE = 24  # characters from which a copied line counts as one fact


def text_of(message: Json) -> str:
    """What a model reads of a message: its texts, and its calls with their arguments."""
    content = message.get("content")
    pieces = content if isinstance(content, list) else [content]
    texts = [piece.get("text") if isinstance(piece, dict) else piece for piece in pieces]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        texts += [function.get("name"), function.get("arguments")]
    return "\n".join(text for text in texts if isinstance(text, str))


def valid(before: Json, after: Json) -> bool:
    """Whether nothing but the texts of tool results differs, and none of them vanished."""
    same = _without_results(before) == _without_results(after)
    pairs = zip(before["messages"], after["messages"], strict=False)
    return same and all(bool(text_of(old)) == bool(text_of(new)) for old, new in pairs)


def _without_results(body: Json) -> Json:
    return {**body, "messages": [_frame(message) for message in body["messages"]]}


def _frame(message: Json) -> Any:
    if message.get("role") not in ("tool", "function"):
        return message
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": ""}
    if isinstance(content, list):
        return {
            **message,
            "content": [{**p, "text": ""} if isinstance(p, dict) and "text" in p else p for p in content],
        }
    return message


def needles(turn: Turn) -> set[str]:
    """What the answer copies from tool results and could have from nowhere else in the prompt, and what it needed."""
    wanted = set(turn.gold)
    if turn.answer is None:
        return wanted
    messages = turn.body["messages"]
    results = "\n".join(text_of(message) for message in messages if message.get("role") in ("tool", "function"))
    others = "\n".join(text_of(message) for message in messages if message.get("role") not in ("tool", "function"))
    said = "\n".join([text_of(turn.answer), *_argument_strings(turn.answer)])
    words = {word.strip(".:-#/") for word in _WORD.findall(said)}
    found = {word for word in words if len(word) >= 5 and _TELLING.search(word)}
    found |= {line.strip() for line in said.splitlines() if len(line.strip()) >= LINE}
    return wanted | {fact for fact in found if fact in results and fact not in others}


def _argument_strings(answer: Json) -> list[str]:
    strings: list[str] = []
    for call in answer.get("tool_calls") or ():
        try:
            todo = [json.loads(call["function"]["arguments"])]
        except (KeyError, TypeError, ValueError):
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


def kept(wanted: set[str], body: Json) -> int:
    """How many of the needles stand in the prompt word for word, as they are or as JSON writes them."""
    prompt = "\n".join(text_of(message) for message in body["messages"])
    return sum(fact in prompt or json.dumps(fact, ensure_ascii=False)[1:-1] in prompt for fact in wanted)
