"""Long output of commands, cut to what an agent looks for first; the rest is behind a recall.

Kept are the beginning, the end, what is loud, and the lines around names the conversation has spoken of. Never used
on file windows, listings or search hits: the agent asked for those by name and picks its next step from them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

from gateway_reduce.marks import LEFT_OUT

FIRST, LAST = 20, 12  # lines
AROUND = 2  # lines on each side of one that holds a wanted name
MOST_NAMED = 60  # lines kept for names
RARE = 8  # lines in which a name may stand and still tell something
SAMPLED = 64  # lines by which it is judged what a text is
MOSTLY_PLACED = 0.5  # share of them that carry a line number
SHORTEST_GAP = 6  # lines: a mark for fewer saves nothing

_LOUD = re.compile(
    r"error|fail|fatal|warn|exception|traceback|panic|denied|refused|timed? ?out|killed|abort|cannot|not found"
    r"|undefined|assert|segfault|critical|exit (?:code|status)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9_./:@#-]{4,80}")
# A search hit under its file or with it, and a line of a file with its number.
_PLACED = re.compile(r"(?:[\w.@+/\\-]{1,200}[:-])?\d+[:-](?!\d)|\s{0,8}\d+(?:\t|→|\s*[│|]|\s{2,}\S)")
_TELLING = re.compile(r"\d|[_/@#:.-]\w|[a-z][A-Z]")


def names_in(texts: Collection[str]) -> frozenset[str]:
    """The names that texts speak of: words with a digit, an inner mark or an inner capital."""
    found: set[str] = set()
    for text in texts:
        found.update(word.strip(".:-#/") for word in _NAME.findall(text))
    return frozenset(word for word in found if len(word) >= 4 and _TELLING.search(word))


def is_asked_for(text: str) -> bool:
    """Whether a text is a diff, or most of its lines are search hits or numbered lines of a file."""
    if "\n@@ -" in text:
        return True
    lines = text.split("\n")
    sample = [line for line in lines[:: max(1, len(lines) // SAMPLED)] if line]
    return sum(_PLACED.match(line) is not None for line in sample) >= MOSTLY_PLACED * len(sample)


def excerpt(text: str, id: str, names: frozenset[str]) -> str:
    """`text` without the lines nobody asked for; as it is where that saves little."""
    lines = text.split("\n")
    keep = {*range(FIRST), *range(len(lines) - LAST, len(lines))}
    keep.update(at for at, line in enumerate(lines) if _LOUD.search(line[:400]))
    keep.update(_named(lines, names))
    out: list[str] = []
    at = 0
    for gap, end in _gaps(keep, len(lines)):
        out += lines[at:gap]
        out.append(f"{LEFT_OUT}{end - gap} lines; recall {id}]")
        at = end
    out += lines[at:]
    shorter = "\n".join(out)
    return shorter if len(shorter) < 0.8 * len(text) else text


def _named(lines: list[str], names: frozenset[str]) -> set[int]:
    places: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        for word in {word.strip(".:-#/") for word in _NAME.findall(line)} & names:
            places.setdefault(word, []).append(at)
    wanted = Counter(at for found in places.values() if len(found) <= RARE for at in found)
    kept: set[int] = set()
    for at in sorted(wanted):
        around = set(range(max(0, at - AROUND), min(len(lines), at + AROUND + 1)))
        if len(kept | around) > MOST_NAMED:
            break
        kept |= around
    return kept


def _gaps(keep: set[int], count: int) -> Iterator[tuple[int, int]]:
    """Runs of lines that are not kept, long enough for a mark."""
    last = -1
    for at in [*sorted(place for place in keep if 0 <= place < count), count]:
        if at - last - 1 >= SHORTEST_GAP:
            yield last + 1, at
        last = at
