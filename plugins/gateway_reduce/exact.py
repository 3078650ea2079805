"""JSON that is read, changed and written again with every value as it was written before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

DEEPEST = 60  # levels

# A number such as 1.10 or 1e5 would not survive Python's float as written; it travels in a string between these.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_LITERAL = re.compile(f'"{_OPEN}([^{_CLOSE}"]*){_CLOSE}"')


class NotPlainJson(ValueError):
    """The text is no JSON, or JSON that would lose something by being written again."""


def is_document(text: str) -> bool:
    """Whether a text is a JSON list or object."""
    ends = (text[:64].lstrip()[:1], text[-64:].rstrip()[-1:])
    if ends not in (("{", "}"), ("[", "]")):
        return False
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def rewritten(text: str, change: Callable[[Any], Any]) -> str:
    """The JSON document `text` after `change`, without blanks; any other text as it is. `change` may raise
    `ValueError` to let the text be."""
    if text.lstrip()[:1] not in ("{", "[") or _OPEN in text or _CLOSE in text:
        return text
    try:
        document = written(change(_parse(text)))
        document.encode()
    except (ValueError, RecursionError):  # UnicodeEncodeError (a lone surrogate) is a ValueError
        return text
    return _LITERAL.sub(r"\1", document) if _OPEN in document else document


def written(value: Any) -> str:
    """JSON without blanks and without escapes that are not needed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parse(text: str) -> Any:
    return json.loads(
        text,
        object_pairs_hook=_unique,
        parse_float=_exact_float,
        parse_int=_exact_int if "-0" in text else None,
        parse_constant=_refuse,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise NotPlainJson("a key stands twice")
    return record


def _exact_float(literal: str) -> float | str:
    value = float(literal)
    return value if repr(value) == literal else f"{_OPEN}{literal}{_CLOSE}"


def _exact_int(literal: str) -> int | str:
    return int(literal) if literal != "-0" else f"{_OPEN}-0{_CLOSE}"


def _refuse(literal: str) -> Any:
    raise NotPlainJson(literal)


def map_strings(text: str, change: Callable[[str], str], shortest: int) -> str:
    """The JSON document `text` with `change` applied to each of its texts of `shortest` characters or more; any other
    text, and one where that changes nothing, as it is."""

    def walk(value: Any, depth: int) -> Any:
        if not depth:
            raise NotPlainJson("too deep")
        if isinstance(value, str):
            return change(value) if len(value) >= shortest else value
        if isinstance(value, list):
            return [walk(item, depth - 1) for item in value]
        if isinstance(value, dict):
            return {key: walk(item, depth - 1) for key, item in value.items()}
        return value

    def changed(value: Any) -> Any:
        after = walk(value, DEEPEST)
        if after == value:
            raise NotPlainJson("nothing changed")
        return after

    return rewritten(text, changed)
