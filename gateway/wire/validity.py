"""Whether a trimmed body still says what the caller's did. What edits may change is their own texts; all else has to
be the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, cast

import orjson

from gateway.api import Edit, Json, Path

Flaw = Literal["structure", "emptied", "json", "utf8"]

_REMEMBERED = 4096
_LONGEST_POINTER = 1000
_EDGE = 64  # characters at either end in which a document begins and ends, blanks before and after it


class Validity:
    """Checks trimmed bodies. The texts of edits come again with every turn of a conversation, so what was found out
    about the latest ones is kept; forgetting changes the time it takes, never the answer."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}

    def flaw(self, body: Json, trimmed: Json, edits: Sequence[Edit], befores: Sequence[str]) -> Flaw | None:
        """What is wrong with `trimmed`, of which `body` is the original and `befores` are the original texts of what
        was edited; `None` where nothing is. Whether it is longer in all is left to who counts it anyway."""
        for edit, before in zip(edits, befores, strict=True):
            if (wrong := self._text_flaw(before, edit.text)) is not None:
                return wrong
        return None if _same_but(body, trimmed, edits) else "structure"

    def _text_flaw(self, before: str, after: str) -> Flaw | None:
        known = self._looks.get(after)
        if known is None:
            known = self._looks[after] = _look(after)
            if len(self._looks) > _REMEMBERED:
                del self._looks[next(iter(self._looks))]
        if not (known.blank or known.halved or known.loose):
            return None
        if known.blank and not _blank(before):
            return "emptied"
        if known.halved and _encodes(before):
            return "utf8"
        if known.loose and _framed(before) and _parses(before):
            return "json"
        return None


class _Look(NamedTuple):
    """`halved`: not to be written as UTF-8. `loose`: neither a JSON document nor a mere pointer to one."""

    blank: bool
    halved: bool
    loose: bool


def _look(text: str) -> _Look:
    halved = not text.isascii() and not _encodes(text)
    return _Look(_blank(text), halved, not (_is_pointer(text) or (_framed(text) and _parses(text))))


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _framed(text: str) -> bool:
    """Whether a text looks as a JSON document from outside: an object or a list, or a text in its place."""
    ends = (text[:_EDGE].lstrip()[:1], text[-_EDGE:].rstrip()[-1:])
    return ends in (("{", "}"), ("[", "]"), ('"', '"'))


def _is_pointer(text: str) -> bool:
    """Whether a text only says where the whole can be found: lines in square brackets, a few words each."""
    lines = text.strip().split("\n", 4) if len(text) < _LONGEST_POINTER else []
    return 0 < len(lines) < 5 and all(line[:1] == "[" and line[1:2].isalpha() and line[-1:] == "]" for line in lines)


def _parses(text: str) -> bool:
    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    return True


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _same_but(body: Json, trimmed: Json, edits: Iterable[Edit]) -> bool:
    """Whether `trimmed` is `body` with these edits, and with one more tool at the end at the most. Comparing is cheap,
    since nearly all of it is the very same objects."""
    messages = list(body["messages"])
    for edit in edits:
        at = cast("int", edit.path[1])
        messages[at] = _with_text(messages[at], edit.path[2:], edit.text)
    if trimmed.get("messages") != messages or not _same_tools(body.get("tools"), trimmed.get("tools")):
        return False
    apart = ("messages", "tools")
    return {name: value for name, value in body.items() if name not in apart} == {
        name: value for name, value in trimmed.items() if name not in apart
    }


def _with_text(message: Any, path: Path, text: str) -> Any:
    """A copy of a message, or of a part of one, with `text` in its place."""
    if not path:
        return text
    if isinstance(message, list):
        copied = list(message)
        copied[cast("int", path[0])] = _with_text(message[cast("int", path[0])], path[1:], text)
        return copied
    return {**message, path[0]: _with_text(message[path[0]], path[1:], text)}


def _same_tools(before: Any, after: Any) -> bool:
    if after == before:
        return True
    kept = before if isinstance(before, list) else []
    return isinstance(after, list) and len(after) == len(kept) + 1 and after[:-1] == kept
