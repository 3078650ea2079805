"""Old results shrink to their first and last lines where the provider has to read the conversation anew anyway.

That is at a cold point: after it, what stands before it is read at full price once, whatever its text. So all old
results shrink there in one step, and keep that form until the next cold point. Only with a recall behind it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise

import orjson

from gateway.api import Part
from gateway_reduce.marks import LEFT_OUT, POINTER, identify
from gateway_reduce.rewrite import Rewrite
from gateway_reduce.tokens import Tokens

NEWEST = 10  # results before the cold point that stay as they are
SHORTEST = 800  # characters: about 200 tokens; the mark takes forty of them
FIRST, LAST = 3, 2  # lines that stay
LONGEST_LINE = 200  # characters of them
LEAST_GAIN = 1_000  # tokens of a whole step; for less nothing is worth the loss
KEYS = 8  # of a JSON document that are named

# The ids by which pointers speak of a result; other results go by their tool's name, which nothing could redirect.
_NAMED = re.compile(r"[\w.:|/+-]{1,100}")
_RESULT_BEFORE = "as the result before]"
_POINTS = re.compile(
    r"(\[above: (?:the same as|[^\[\]\n]{1,80} as in) the result of )([\w.:|/+-]{1,100})(?=[,\]])(?! \(recall)"
)


def compact(parts: Sequence[Part], known: list[Rewrite], cold_at: int, tokens: Tokens) -> list[Rewrite]:
    """The rewrites with those of old results before message `cold_at` replaced by their short form, and with pointers
    to these telling how to ask for them. Where that saves too little, the rewrites as they are."""
    short: dict[int, Rewrite] = {}
    for at in _old(parts, known, cold_at):
        short[at] = _shortened(parts[at], known[at], tokens)
    if sum(rewrite.removed - known[at].removed for at, rewrite in short.items()) < LEAST_GAIN:
        return known
    ids = {parts[at].call_id: rewrite.left_out for at, rewrite in short.items()}
    return [short.get(at) or _redirected(rewrite, ids) for at, rewrite in enumerate(known)]


def _old(parts: Sequence[Part], known: list[Rewrite], cold_at: int) -> list[int]:
    """The places of results that may shrink: not the newest, long enough, and named by a call id of their own."""
    results = [at for at, part in enumerate(parts) if part.kind == "tool_result" and part.message < cold_at]
    times = Counter(parts[at].call_id for at in results)
    old = []
    for at, following in islice(pairwise(results), max(0, len(results) - NEWEST)):
        part, visible = parts[at], known[at].text
        leaned_on = _RESULT_BEFORE in (known[following].text or "")
        long = len(part.text if visible is None else visible) >= SHORTEST
        named = part.call_id and _NAMED.fullmatch(part.call_id) and times[part.call_id] == 1
        if named and long and not leaned_on:
            old.append(at)
    return old


def _shortened(part: Part, before: Rewrite, tokens: Tokens) -> Rewrite:
    id = identify(part.text)
    text = _outline(part.text, id)
    visible = part.text if before.text is None else before.text
    gain = tokens.removed(visible, text)
    return Rewrite(text, (*before.cuts, ("compaction", gain)), id) if gain > 0 else before


def _outline(text: str, id: str) -> str:
    document = _document(text)
    if document is not None:
        return f"{LEFT_OUT}{document}, {len(text)} characters; recall {id}]"
    lines = text.split("\n")
    if len(lines) <= FIRST + LAST + 1:
        return f"{text[:LONGEST_LINE]}\n{LEFT_OUT}{len(text) - LONGEST_LINE} characters; recall {id}]"
    kept = [line[:LONGEST_LINE] for line in (*lines[:FIRST], *lines[-LAST:])]
    kept.insert(FIRST, f"{LEFT_OUT}{len(lines) - FIRST - LAST} lines; recall {id}]")
    return "\n".join(kept)


def _document(text: str) -> str | None:
    """What a JSON document is, in words; `None` for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        keys = ", ".join(key[:LONGEST_LINE] for key in list(value)[:KEYS])
        return f"a JSON object with {keys}" + (", ..." if len(value) > KEYS else "")
    return f"a JSON list of {len(value)}"


def _redirected(rewrite: Rewrite, ids: dict[str | None, str]) -> Rewrite:
    """A rewrite whose pointers to shrunk results say how to ask for them."""
    if rewrite.text is None or POINTER not in rewrite.text:
        return rewrite

    def told(found: re.Match[str]) -> str:
        id = ids.get(found[2])
        return f"{found[0]} (recall {id})" if id else found[0]

    return Rewrite(_POINTS.sub(told, rewrite.text), rewrite.cuts, rewrite.left_out)
