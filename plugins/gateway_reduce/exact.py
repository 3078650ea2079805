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
_ESCAPED_SIGNS = re.compile(r"\\u[eE]0[fF][01]")


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
    if not may_be_json(text):
        return text
    try:
        return write(change(read(text)))
    except (ValueError, RecursionError):
        return text


def written(value: Any) -> str:
    """JSON without blanks and without escapes that are not needed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read(text: str) -> Any:
    """The value of a document; `write` gives it back as it was but for blanks. Raises `NotPlainJson`."""
    if not may_be_json(text) or _holds_signs(text):
        raise NotPlainJson("no document, or one with signs of our own")
    try:
        value = _read_if_usual(text)
        if value is None:
            value = json.loads(
                text,
                object_pairs_hook=_unique,
                parse_float=_exact_float,
                parse_int=_exact_int if "-0" in text else None,
                parse_constant=_refuse,
            )
    except (ValueError, RecursionError) as error:
        raise NotPlainJson(str(error)) from None
    return value


def read_each(texts: list[str]) -> list[Any]:
    """The values of many short documents, as `read` gives them but together, which is several times faster."""
    joined = ", ".join(texts)
    if not _holds_signs(joined):
        try:
            values = [orjson.loads(text) for text in texts]
            if json.dumps(values, ensure_ascii="\\u" in joined)[1:-1] == joined:
                return values
            if orjson.dumps(values)[1:-1].decode() == ",".join(texts):
                return values
        except (ValueError, TypeError, RecursionError):
            pass  # something the faster parser does not take: the exact one decides
    return [read(text) for text in texts]


def write(value: Any) -> str:
    """A value as a document without blanks. Raises `NotPlainJson` for what no request could carry."""
    try:
        document = written(value)
        document.encode()
    except (ValueError, RecursionError) as error:  # UnicodeEncodeError (a lone surrogate) is a ValueError
        raise NotPlainJson(str(error)) from None
    return _LITERAL.sub(r"\1", document) if _OPEN in document else document


def write_each(values: list[Any]) -> list[str]:
    """Values as documents without blanks, written together. Raises `NotPlainJson` as `write` does."""
    between = _OPEN + _OPEN  # no document that was read holds it
    together = write([step for value in values for step in (value, between)])
    return (together[1:-1] + ",").split(f',"{between}",')[:-1]


def may_be_json(text: str) -> bool:
    """Whether a text begins and ends as a list or an object does; all that needs no reading."""
    first = text[:1] if text[:1] in "{[" else text[:200].lstrip()[:1]
    return first in ("{", "[") and text[-200:].rstrip()[-1:] == ("}" if first == "{" else "]")


def _holds_signs(text: str) -> bool:
    return _OPEN in text or _CLOSE in text or ("\\u" in text and _ESCAPED_SIGNS.search(text) is not None)


def _read_if_usual(text: str) -> Any:
    """The value of a document in one of the usual spellings, by the faster parser; `None` for any other.

    That parser forgets a key that stands twice and how a number was spelled. A document that comes out the same when
    its value is written again has neither.
    """
    try:
        value = orjson.loads(text)
        if "\n" in text:
            same = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() == text
        elif '": ' in text or ", " in text:
            same = json.dumps(value, ensure_ascii="\\u" in text) == text
        else:
            same = orjson.dumps(value).decode() == text
    except (ValueError, TypeError):  # orjson refuses half a surrogate with one, what it cannot write with the other
        return None
    return value if same else None


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
            return change(value) if len(value) >= shortest and value[:1] != _OPEN else value
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
