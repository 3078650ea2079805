"""The order of the transforms, and the walk over a conversation that keeps every rewrite final.

A result is rewritten as a function of itself and of the parts before it. So the rewrite of part k never changes when
parts are added behind it, and the prompt a provider has cached stays the prompt that is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xxhash

from gateway.api import Edit, Part
from gateway_reduce.blobs import drop_base64
from gateway_reduce.history import History
from gateway_reduce.marks import POINTER
from gateway_reduce.memo import Memo
from gateway_reduce.records import tabulate
from gateway_reduce.repeats import Pointing, closing_lines, same_result
from gateway_reduce.terminal import clean
from gateway_reduce.tokens import Tokens, digest

# Bounds of what is remembered between requests: entries of a few hundred bytes plus their text, and the characters
# of the conversations whose lines are indexed (about six bytes of memory for each).
REWRITES = 32_000_000
CLEANED = 32_000_000
INDEXED = 16_000_000
ENTRY = 200  # characters an entry weighs besides its text

LARGEST = 4_000_000  # characters: a longer text is left alone


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What becomes of a part: its new text (`None`: it stays), the names of the transforms, the tokens saved."""

    text: str | None = None
    transforms: tuple[str, ...] = ()
    removed: int = 0


UNTOUCHED = Rewrite()


class Reduction:
    """Computes edits for conversations and remembers them, so that a turn costs what its new messages cost.

    The memories make it faster and nothing else: an instance that has forgotten everything gives the same edits.
    """

    def __init__(self, transforms: frozenset[str], min_gain: int) -> None:
        self._min_gain = min_gain
        self._repeats = "repeats" in transforms
        steps: tuple[tuple[str, Callable[[str], str]], ...] = (
            ("records", tabulate),
            ("terminal", clean),
            ("base64", drop_base64),
        )
        self._steps = tuple(step for step in steps if step[0] in transforms)
        self._tokens = Tokens()
        self._rewrites: Memo[Rewrite] = Memo(REWRITES)
        self._cleaned: Memo[Rewrite] = Memo(CLEANED)
        self._histories: Memo[History] = Memo(INDEXED)

    def load(self) -> None:
        """Read the tokenizer's vocabulary now rather than at the first edit."""
        self._tokens.load()

    def edits(self, parts: Sequence[Part]) -> tuple[Edit, ...]:
        """The edits of a conversation, in its order."""
        keys = _chain(parts)
        known = [self._rewrites.get(key) for key in keys]
        if None in known:
            self._compute(parts, keys, known)
        return tuple(
            Edit(part.path, rewrite.text, "+".join(rewrite.transforms), part.message, rewrite.removed)
            for part, rewrite in zip(parts, known, strict=True)
            if rewrite is not None and rewrite.text is not None
        )

    def _compute(self, parts: Sequence[Part], keys: list[bytes], known: list[Rewrite | None]) -> None:
        history, start = self._resume(keys)
        for at in range(start, len(parts)):
            rewrite = known[at] = self._next(history, parts[at])
            self._rewrites.put(keys[at], rewrite, ENTRY + len(rewrite.text or ""))
        self._histories.put(keys[-1], history, ENTRY + history.characters)

    def _resume(self, keys: list[bytes]) -> tuple[History, int]:
        """The index of the longest known beginning of this conversation, and how many parts it covers."""
        for at in range(len(keys) - 1, -1, -1):
            history = self._histories.take(keys[at])
            if history is not None:
                return history, at + 1
        return History(), 0

    def _next(self, history: History, part: Part) -> Rewrite:
        """Rewrite one part and add what the model will see of it to the history."""
        history.follow(part)
        if part.kind != "tool_result":
            history.read(part)
            return UNTOUCHED
        if len(part.text) > LARGEST:
            history.closing = []
            return UNTOUCHED
        cleaned = self._clean(part.text, as_records=not history.is_json_file(part))
        return self._point(history, part, cleaned) if self._repeats else cleaned

    def _clean(self, text: str, *, as_records: bool) -> Rewrite:
        """The transforms that look at a text alone."""
        key = digest(text) + bytes([as_records])
        known = self._cleaned.get(key)
        if known is None:
            known = self._clean_anew(text, as_records=as_records)
            self._cleaned.put(key, known, ENTRY + len(known.text or ""))
        return known

    def _clean_anew(self, text: str, *, as_records: bool) -> Rewrite:
        if POINTER in text:  # it has been through here: what was not worth cleaning then is not worth it now
            return UNTOUCHED
        now = text
        names: list[str] = []
        for name, transform in self._steps:
            after = transform(now) if as_records or name != "records" else now
            if after != now:
                now = after
                names.append(name)
        if now == text:
            return UNTOUCHED
        removed = self._tokens.removed(text, now)
        return Rewrite(now, tuple(names), removed) if removed >= self._min_gain else UNTOUCHED

    def _point(self, history: History, part: Part, cleaned: Rewrite) -> Rewrite:
        text = part.text if cleaned.text is None else cleaned.text
        name = history.name_of(part)
        history.open(name)
        same = same_result(history, self._tokens, text)
        if same is not None:
            mark, gain = same
            history.remember(part, name)
            history.closing = closing_lines(text)
            return Rewrite(mark, (*cleaned.transforms, "repeats"), cleaned.removed + gain)
        pointing = Pointing(history, self._tokens, text)
        rewritten = pointing.rewrite()
        history.remember(part, name, text)
        if not pointing.removed:
            return cleaned
        return Rewrite(rewritten, (*cleaned.transforms, "repeats"), cleaned.removed + pointing.removed)


def _chain(parts: Sequence[Part]) -> list[bytes]:
    """A key for each part that stands for it and everything before it."""
    keys: list[bytes] = []
    key = b""
    for part in parts:
        kind = f"{part.message}\0{part.kind}\0{part.role}\0{part.call_id}\0{part.tool}\0{len(part.text)}\0{part.text}"
        key = xxhash.xxh3_128_digest(key + kind.encode("utf-8", "surrogatepass"))
        keys.append(key)
    return keys
