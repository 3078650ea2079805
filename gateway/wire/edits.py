"""Applying an optimizer's edits: a new body that shares with the old one all that no edit touches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from gateway.api import ChatRequest, Edit, Json, Path


def apply(body: Json, edits: Iterable[Edit]) -> Json:
    """A copy of `body` with each edit's text in its place; `body` itself stays as it is.

    Of two edits of one place the later holds. Raises `ValueError` where an edit's path leads to no string.
    """
    root: Json = dict(body)
    copies: dict[Path, Any] = {(): root}
    for edit in edits:
        holder = _own(copies, edit.path)
        if _child(holder, edit.path[-1], str) is None:
            raise ValueError(f"{edit.transform} edits {edit.path}, where no text stands")
        holder[edit.path[-1]] = edit.text
    return root


def edited(request: ChatRequest, edits: Iterable[Edit]) -> ChatRequest:
    """`request` with the edits applied to its body and to its parts; `size` stays the size as sent."""
    chosen = {edit.path: edit for edit in edits}
    if not chosen:
        return request
    parts = tuple(part._replace(text=chosen[part.path].text) if part.path in chosen else part for part in request.parts)
    return replace(request, body=apply(request.body, chosen.values()), parts=parts)


def by_transform(edits: Iterable[Edit]) -> dict[str, int]:
    """Tokens that each transform removed."""
    removed: dict[str, int] = {}
    for edit in edits:
        for name, tokens in zip(edit.transform.split("+"), shares(edit), strict=True):
            removed[name] = removed.get(name, 0) + tokens
    return removed


def shares(edit: Edit) -> tuple[int, ...]:
    """What each of an edit's transforms was worth; alike where the edit does not say, the rest to the first."""
    names = edit.transform.count("+") + 1
    if len(edit.split) == names:
        return edit.split
    even, rest = divmod(edit.tokens_removed, names)
    return (even + rest, *[even] * (names - 1))


def _own(copies: dict[Path, Any], path: Path) -> Any:
    """The container that holds `path`'s last key, copied with all above it unless an earlier edit did that."""
    if not path:
        raise ValueError("an edit needs a path")
    for depth in range(1, len(path)):
        here = path[:depth]
        if here in copies:
            continue
        child = _child(copies[here[:-1]], here[-1], dict | list)
        if child is None:
            raise ValueError(f"an edit's path {path} leads nowhere")
        copies[here[:-1]][here[-1]] = copies[here] = child.copy()
    return copies[path[:-1]]


def _child(holder: Any, key: str | int, kind: Any) -> Any:
    try:
        child = holder[key]
    except (KeyError, IndexError, TypeError):
        return None
    return child if isinstance(child, kind) else None
