"""Long lists of bare values in a document, cut to their ends and to what the conversation has spoken of.

Of a list of five hundred numbers an agent copies none or a few, and can ask for the others. Lists of records are not
cut: agents look things up in them. Python's own way to write lists is read too, since many tools print it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from gateway_reduce.exact import NotPlainJson, rewritten
from gateway_reduce.marks import LEFT_OUT

FEWEST = 60  # values
FIRST, LAST = 20, 12  # values that stay
MOST_NAMED = 60  # values kept since they were spoken of
SHORTEST_GAP = 12  # values: a mark for fewer saves nothing
LONGEST_VALUE = 80  # characters: longer texts are no bare values
DEEPEST = 60  # levels
LARGEST_LITERAL = 200_000  # characters: Python's parser takes a second for a few megabytes


def shorten_lists(text: str, id: str, spoken_of: Callable[[str], bool]) -> str:
    """The document `text` with marks in its long lists that say how many values are gone and name `id`; any other
    text, and one that holds no such list, as it is."""

    def shorter(value: Any) -> Any:
        changed = _walk(value, id, spoken_of, DEEPEST)
        if changed is value:
            raise NotPlainJson("no long list")
        return changed

    after = rewritten(text, shorter)
    if after is text and text[:1] in ("[", "{") and "'" in text[:200] and len(text) <= LARGEST_LITERAL:
        after = _literal(text, shorter)
    return after if len(after) < len(text) else text


def _literal(text: str, change: Callable[[Any], Any]) -> str:
    """The same for a list or dict as Python writes it, where writing it again gives the same text."""
    try:
        value = ast.literal_eval(text)
        return repr(change(value)) if repr(value) == text else text
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _walk(value: Any, id: str, spoken_of: Callable[[str], bool], depth: int) -> Any:
    """The value with its long lists shortened; the very same object where there are none."""
    if not depth:
        return value
    if isinstance(value, list):
        if len(value) >= FEWEST and all(map(_is_bare, value)):
            return _cut(value, id, spoken_of)
        inner = [_walk(item, id, spoken_of, depth - 1) for item in value]
        return inner if any(new is not old for new, old in zip(inner, value, strict=True)) else value
    if isinstance(value, dict):
        changed = {key: _walk(item, id, spoken_of, depth - 1) for key, item in value.items()}
        return changed if any(changed[key] is not value[key] for key in value) else value
    return value


def _is_bare(value: Any) -> bool:
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= LONGEST_VALUE)


def _cut(values: list[Any], id: str, spoken_of: Callable[[str], bool]) -> list[Any]:
    keep = {*range(FIRST), *range(len(values) - LAST, len(values))}
    named = 0
    for at in range(FIRST, len(values) - LAST):
        if named < MOST_NAMED and spoken_of(_as_said(values[at])):
            keep.add(at)
            named += 1
    out: list[Any] = []
    at = 0
    for start, end in _gaps(keep, len(values)):
        out += values[at:start]
        out.append(f"{LEFT_OUT}{end - start} of {len(values)} values; recall {id}]")
        at = end
    return [*out, *values[at:]] if out else values


def _as_said(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _gaps(keep: set[int], count: int) -> Iterator[tuple[int, int]]:
    last = -1
    for at in [*sorted(keep), count]:
        if at - last - 1 >= SHORTEST_GAP:
            yield last + 1, at
        last = at
