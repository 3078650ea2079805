"""The order of the transforms, and the walk over a conversation that keeps every rewrite final.

A result is rewritten as a function of itself and of the parts before it. So the rewrite of part k never changes when
parts are added behind it, and the prompt a provider has cached stays the prompt that is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import xxhash

from gateway.api import LeftOut, Optimized, Part
from gateway_reduce.blobs import drop_base64
from gateway_reduce.compaction import compact
from gateway_reduce.exact import is_document, map_strings
from gateway_reduce.excerpt import excerpt, is_asked_for
from gateway_reduce.history import History
from gateway_reduce.jsonlines import KEYS_BEFORE, shorten_lines
from gateway_reduce.lists import shorten_lists
from gateway_reduce.marks import identify, is_marked, recall_line
from gateway_reduce.memo import Memo
from gateway_reduce.observations import framed
from gateway_reduce.records import Written, shorten
from gateway_reduce.repeats import Pointing, closing_lines, same_result
from gateway_reduce.rewrite import UNTOUCHED, Rewrite
from gateway_reduce.steps import LINE_STEPS, Step, Worked, shared_out, through_lines
from gateway_reduce.tokens import Tokens, digest

# Bounds of what is remembered between requests: entries of a few hundred bytes plus their text, and the characters
# of the conversations whose lines are indexed (about six bytes of memory for each).
REWRITES = 32_000_000
CLEANED = 32_000_000
INDEXED = 16_000_000
ENTRY = 200  # characters an entry weighs besides its text

LEAST_STASHED = 8_000  # characters, about 2,000 tokens: for less a round trip costs more than it saves
LEAST_INSIDE = 400  # characters of a text in a JSON document that is read as lines
LINES_IN_STRINGS = 5  # line breaks in a document from which on it is searched for such texts
LARGEST = 4_000_000  # characters: a longer text is left alone


@dataclass(frozen=True, slots=True)
class Rules:
    """`transforms` by name; `careful`: the lossy ones among them may run; `min_gain` in tokens; `observations`: results
    in users' messages count as results."""

    transforms: frozenset[str]
    careful: bool
    min_gain: int
    observations: bool = False

    def runs(self, name: str) -> bool:
        return name in self.transforms


class _Reading(NamedTuple):
    """How a conversation is read. `shown`: users' messages before this one are demonstrations, see `_shown_first`."""

    recall: bool
    shown: int


class Reduction:
    """Computes edits for conversations and remembers them, so that a turn costs what its new messages cost.

    The memories make it faster and nothing else: an instance that has forgotten everything gives the same edits.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._steps = tuple(step for step in LINE_STEPS if rules.runs(step.name) and (rules.careful or not step.lossy))
        self._plain_steps = tuple(step for step in self._steps if not step.lossy)
        self._tokens = Tokens()
        self._rewrites: Memo[Rewrite] = Memo(REWRITES)
        self._cleaned: Memo[Rewrite] = Memo(CLEANED)
        self._histories: Memo[History] = Memo(INDEXED)

    def load(self) -> None:
        """Read the tokenizer's vocabulary now rather than at the first edit."""
        self._tokens.load()

    def optimized(self, parts: Sequence[Part], *, recall: bool, cold_at: int = 0) -> Optimized:
        """The edits of a conversation, in its order, and the texts of which something was left out.

        `recall`: the model can ask for those. `cold_at`: see `CallView`.
        """
        recall = recall and self._rules.careful
        shown = _shown_first(parts) if self._rules.runs("repeats") else 0
        keys = _chain(parts, f"{recall} {shown}".encode())
        known = [self._rewrites.get(key) for key in keys]
        if None in known:
            self._compute(parts, keys, known, _Reading(recall, shown))
        rewrites = [rewrite or UNTOUCHED for rewrite in known]
        if recall and cold_at and self._rules.runs("compaction"):
            rewrites = compact(parts, rewrites, cold_at, self._tokens)
        changed = [pair for pair in zip(parts, rewrites, strict=True) if pair[1].text is not None]
        stash = {rewrite.left_out: _whole(part, rewrite) for part, rewrite in changed if rewrite.left_out}
        return Optimized(
            tuple(rewrite.edit(part) for part, rewrite in changed),
            tuple(LeftOut(id, text) for id, text in stash.items()),
        )

    def _compute(
        self, parts: Sequence[Part], keys: list[bytes], known: list[Rewrite | None], reading: _Reading
    ) -> None:
        history, start = self._resume(keys)
        for at in range(start, len(parts)):
            rewrite = known[at] = self._next(history, parts[at], reading)
            self._rewrites.put(keys[at], rewrite, ENTRY + len(rewrite.text or ""))
        self._histories.put(keys[-1], history, ENTRY + history.characters)

    def _resume(self, keys: list[bytes]) -> tuple[History, int]:
        """The index of the longest known beginning of this conversation, and how many parts it covers."""
        for at in range(len(keys) - 1, -1, -1):
            history = self._histories.take(keys[at])
            if history is not None:
                return history, at + 1
        return History(), 0

    def _next(self, history: History, part: Part, reading: _Reading) -> Rewrite:
        """Rewrite one part and add what the model will see of it to the history."""
        history.follow(part)
        if part.kind != "tool_result":
            return self._said(history, part, reading)
        return self._observed(history, part, reading)

    def _said(self, history: History, part: Part, reading: _Reading) -> Rewrite:
        """What people and the model say stays, but for examples, and for results in a frame where that is asked for."""
        if part.role == "user" and len(part.text) <= LARGEST:
            if part.message < reading.shown:
                return self._point(history, part, UNTOUCHED)
            frame = framed(part.text) if self._rules.observations else None
            if frame is not None:
                inner = self._observed(history, part._replace(text=frame.observed, kind="tool_result"), reading)
                if inner.text is None:
                    return UNTOUCHED
                return replace(inner, text=f"{frame.before}{inner.text}{frame.after}", observed=True)
        history.read(part)
        return UNTOUCHED

    def _observed(self, history: History, part: Part, reading: _Reading) -> Rewrite:
        """A tool's result."""
        if len(part.text) > LARGEST:
            history.closing = []
            return UNTOUCHED
        as_records = self._rules.runs("records") and not history.is_json_file(part)
        if self._rules.runs("repeats") and history.whole(part.text) and not history.asked_narrowly(part):
            return self._point(history, part, UNTOUCHED)
        document = Written(part.text)
        if as_records and not is_marked(part.text):
            document = shorten(part.text, history.shapes, history.place_of(part))
        source = history.is_source(part)
        rewrite = self._clean(part.text, document.text, as_records=as_records, source=source, recall=reading.recall)
        if rewrite.text is not None or not document.rows:  # else the records stay as they were sent
            history.shapes.learn(document.seen, document.named)
        if reading.recall and not source and self._rules.runs("stash"):
            rewrite = self._stash(history, part, rewrite)
        return self._point(history, part, rewrite) if self._rules.runs("repeats") else rewrite

    def _clean(self, text: str, document: str, *, as_records: bool, source: bool, recall: bool) -> Rewrite:
        """The transforms that look at a text alone; `document` is the text, or shorter as records. Of a
        `source` nothing is left out."""
        key = digest(text) + (digest(document) if document is not text else b"") + bytes([as_records, source, recall])
        known = self._cleaned.get(key)
        if known is None:
            steps = self._plain_steps if source else self._steps
            known = self._clean_anew(text, document, steps, as_records=as_records, recall=recall)
            self._cleaned.put(key, known, ENTRY + len(known.text or ""))
        return known

    def _clean_anew(
        self, text: str, document: str, steps: tuple[Step, ...], *, as_records: bool, recall: bool
    ) -> Rewrite:
        if is_marked(text) or text.startswith(KEYS_BEFORE):
            return UNTOUCHED  # it has been through here: what was not worth cleaning then is not worth it now
        id = identify(text) if recall else ""
        worked = Worked(text, {})
        worked.apply("records", lambda _: document)
        if as_records and text[:1] in ("{", "[") and text.count("\\n") >= LINES_IN_STRINGS:
            self._inside(worked, steps, id)
        if worked.took:
            if self._rules.runs("base64"):
                worked.apply("base64", drop_base64)
        else:
            worked = through_lines(text, steps)
            if as_records and not worked.lossy:
                worked.apply("records", shorten_lines)
            if worked.lossy and recall:
                worked.text = f"{worked.text}\n{recall_line(id)}"
        if worked.text == text:
            return UNTOUCHED
        removed = self._tokens.removed(text, worked.text)
        if removed < self._rules.min_gain:
            return UNTOUCHED
        return Rewrite(worked.text, shared_out(removed, worked.took), id if worked.lossy else "")

    def _inside(self, worked: Worked, steps: tuple[Step, ...], id: str) -> None:
        """The steps for lines on the long texts inside a JSON document, such as a command's output."""

        def shorter(text: str) -> str:
            inner = through_lines(text, steps)
            for name, taken in inner.took.items():
                worked.took[name] = worked.took.get(name, 0) + taken
            return f"{inner.text}\n{recall_line(id)}" if inner.lossy and id else inner.text

        worked.text = map_strings(worked.text, shorter, LEAST_INSIDE)

    def _stash(self, history: History, part: Part, cleaned: Rewrite) -> Rewrite:
        """Long lists of bare values and long output of a command, once more shortened with what the conversation has
        spoken of in view."""
        text = part.text if cleaned.text is None else cleaned.text
        if len(text) < LEAST_STASHED:
            return cleaned
        id = identify(part.text)
        shorter = text
        if text[:1] in ("{", "[") and not history.is_json_file(part):
            shorter = shorten_lists(text, id, history.said_lately())
        if shorter == text and _is_output(part.text, cleaned):
            shorter = excerpt(text, id, history.names())
        gain = self._tokens.removed(text, shorter) if shorter != text else 0
        return Rewrite(shorter, (*cleaned.cuts, ("stash", gain)), id) if gain > 0 else cleaned

    def _point(self, history: History, part: Part, cleaned: Rewrite) -> Rewrite:
        text = part.text if cleaned.text is None else cleaned.text
        name = history.name_of(part)
        history.open(name)
        narrow = history.asked_narrowly(part)
        same = same_result(history, self._tokens, text) if not narrow else None
        if same is not None:
            mark, gain = same
            history.remember(part, name)
            history.closing = closing_lines(text)
            return Rewrite(mark, (*cleaned.cuts, ("repeats", gain)))
        if "\n" in text and is_document(text):  # between its lines no pointer can stand: it would be a document no more
            history.show(text.split("\n"))
            history.remember(part, name, text)
            return cleaned
        pointing = Pointing(history, self._tokens, text)
        rewritten = pointing.rewrite_unless_gone() if narrow else pointing.rewrite()
        history.remember(part, name, text, *([part.text] if any(cut == "records" for cut, _ in cleaned.cuts) else ()))
        if not pointing.removed:
            return cleaned
        return Rewrite(rewritten, (*cleaned.cuts, ("repeats", pointing.removed)), cleaned.left_out)


def _whole(part: Part, rewrite: Rewrite) -> str:
    """The text of which a rewrite left something out: without the frame that an agent put round it."""
    frame = framed(part.text) if rewrite.observed else None
    return frame.observed if frame is not None else part.text


def _is_output(text: str, cleaned: Rewrite) -> bool:
    """Whether a text is what a command wrote: it has a terminal's signs or runs of build or test lines. A diff, hits
    and numbered lines were asked for by name, in colours or not."""
    if any(name == "runs" for name, _ in cleaned.cuts):
        return True
    return "\x1b[" in text and not is_asked_for(text if cleaned.text is None else cleaned.text)


def _shown_first(parts: Sequence[Part]) -> int:
    """The message of the user's first real word: of those that a conversation begins with, the last. What stands before
    it (worked examples, documents) was there when the conversation began, so shortening it changes nothing later."""
    shown = 0
    for part in parts:
        if part.role == "user":
            shown = part.message
        elif part.role not in ("system", "developer"):
            break
    return shown


def _chain(parts: Sequence[Part], start: bytes) -> list[bytes]:
    """A key for each part that stands for it and everything before it; other rules have another start."""
    keys: list[bytes] = []
    key = start
    for part in parts:
        kind = f"{part.message}\0{part.kind}\0{part.role}\0{part.call_id}\0{part.tool}\0{len(part.text)}\0{part.text}"
        key = xxhash.xxh3_128_digest(key + kind.encode("utf-8", "surrogatepass"))
        keys.append(key)
    return keys
