"""Rows: lines without their numbers and ids. Kinds: rows that agree in most words.

All of this works on bytes, where one pass over the whole text masks every digit, and a row is as good as its hash.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from operator import eq

from gateway_reduce.log_lines import DIGITS, SAMPLED

DIFFERING = 0.3  # share of the words behind the head in which two rows of one kind may differ
FEWEST_WORDS = 4  # of a row that may differ at all
SHARED = 0.6  # share of the rows that have one word in a place: it belongs to the head of an entry
LONGEST_HEAD = 12  # words
CANDIDATES = 8  # kinds compared under one key

TRIAL = 2_000  # rows after which a text is given up, where
MOSTLY_OWN = 0.5  # of the lines read like no other, and of the rows are kinds of their own

# A number, a hexadecimal one, a short name with a number, an id of letters and numbers in turn; and chains of these.
_PART = rb"(?:0x[0a-fA-F]++|(?=[a-fA-F]*+0)[0a-fA-F]++|[A-Za-z]{1,2}0|[A-Za-z]*+0[A-Za-z]++0[A-Za-z0]*+)(?![A-Za-z0])"
_ID = re.compile(rb"(?<![A-Za-z0])-?" + _PART + rb"(?:[-.:+~,/_](?:[a-f]{4}-)*" + _PART + rb")*+")
_ZEROS = re.compile(b"00+")
_LOUD = [
    *(b"error", b"warn", b"fail", b"exception", b"traceback", b"fatal", b"panic", b"denied", b"refused", b"timeout"),
    *(b"timed out", b"killed", b"critical", b"severe", b"abort", b"alert", b"emerg", b"corrupt", b"invalid", b"cannot"),
    *(b"can't", b"could not", b"unable", b"unexpected", b"abnormal", b"segfault", b"out of memory", b"lost", b"exited"),
    *(b"rejected", b"unreachable", b"violation"),
]


@dataclass(slots=True)
class Kind:
    words: list[bytes]
    loud: bool
    rows: list[tuple[list[bytes], list[int]]] = field(default_factory=list)  # with the lines that read so


def _digitless(text: str) -> list[bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    for sign in (b'" ', b"status: ", b"status="):  # a failed request is loud though it is a number only
        for digit in (b"4", b"5"):
            raw = raw.replace(sign + digit, sign + b"error " + digit)
    return _ZEROS.sub(b"0", raw.translate(DIGITS)).split(b"\n")


class _Masked(dict[bytes, bytes]):
    """Words without their ids, each looked at once: the same ones come again in nearly every line."""

    def __missing__(self, word: bytes) -> bytes:
        masked = self[word] = _ID.sub(b"0", word) if b"0" in word else word
        return masked


def rows_of(text: str) -> dict[bytes, list[int]]:
    """Of each line what is left without its numbers and ids, with the numbers of the lines that read so."""
    numbered: dict[bytes, list[int]] = {}
    for at, row in enumerate(_digitless(text)):
        numbered.setdefault(row, []).append(at)
    known = _Masked()
    rows: dict[bytes, list[int]] = {}
    for row, lines in numbered.items():
        masked = b" ".join([known[word] for word in row.split()])
        rows.setdefault(masked, []).extend(lines)
    return rows


def kinds_of(rows: dict[bytes, list[int]]) -> list[Kind]:
    """The kinds that rows are of; none where nearly every row is a kind of its own."""
    kinds = _Kinds(rows)
    few_alike = len(rows) > MOSTLY_OWN * sum(map(len, rows.values()))
    for number, (row, lines) in enumerate(rows.items()):
        kinds.add(row, sorted(lines))
        if number == TRIAL and few_alike and len(kinds.all) > MOSTLY_OWN * TRIAL:
            return []
    return kinds.joined()


class _Kinds:
    """Groups rows by their words. A row is compared with a few kinds that share a third of its words."""

    def __init__(self, rows: Collection[bytes]) -> None:
        everything = b"\n".join(rows).lower()
        self._loud = [word for word in _LOUD if word in everything]
        self._head = _shared_head(list(rows))
        self.all: list[Kind] = []
        self._index: dict[tuple[int, int, bytes], list[Kind]] = {}

    def add(self, row: bytes, lines: list[int]) -> None:
        words = row.split()
        kind = self._like(words, loud=self._is_loud(row.lower()))
        kind.rows.append((words, lines))

    def _is_loud(self, row: bytes) -> bool:
        for word in self._loud:  # noqa: SIM110  twice as fast as any() over a generator, and it runs for every row
            if word in row:
                return True
        return False

    def _like(self, words: list[bytes], *, loud: bool) -> Kind:
        keys = _keys(words, self._head)
        for key in keys:
            places = self._index.get(key, [])
            for place, kind in enumerate(places):
                if kind.loud == loud and _agree(kind.words, words, self._head):
                    places[0], places[place] = kind, places[0]
                    return kind
        kind = Kind(words, loud)
        self.all.append(kind)
        for key in keys:
            places = self._index.setdefault(key, [])
            places.insert(len(places) // 2, kind)  # before the kinds that were of use longest ago
            del places[CANDIDATES:]
        return kind

    def joined(self) -> list[Kind]:
        """All kinds, small ones added to large ones that they were not compared with."""
        large: dict[tuple[int, bool], list[Kind]] = {}
        stay: list[Kind] = []
        for kind in sorted(self.all, key=lambda kind: -len(kind.rows)):
            places = large.setdefault((len(kind.words), kind.loud), [])
            like = next((place for place in places if _agree(place.words, kind.words, self._head)), None)
            if like is not None:
                like.rows += kind.rows
                continue
            stay.append(kind)
            if len(places) < CANDIDATES:
                places.append(kind)
        return stay


def _shared_head(rows: list[bytes]) -> int:
    """How many words the entries begin with that say when and where: most of them are the same in most lines."""
    sample = [row.split(None, LONGEST_HEAD) for row in rows[:: max(1, len(rows) // SAMPLED)]]
    for place in range(LONGEST_HEAD):
        words = Counter(words[place] for words in sample if len(words) > place)
        if not words or words.most_common(1)[0][1] < SHARED * len(sample):
            return place
    return LONGEST_HEAD


def _keys(words: list[bytes], head: int) -> list[tuple[int, int, bytes]]:
    count = len(words)
    if count < FEWEST_WORDS:
        return [(count, 0, b" ".join(words))]
    if count - head >= 3:
        words = words[head:]
    third = len(words) // 3
    parts = (words[:third], words[third : 2 * third], words[2 * third :])
    return [(count, number, b" ".join(part)) for number, part in enumerate(parts)]


def _agree(some: list[bytes], other: list[bytes], head: int) -> bool:
    """Whether two rows of as many words are of one kind: behind the head most words agree, or all but one."""
    same: int = sum(map(eq, some, other))
    differing = len(some) - same
    return differing <= (max(1, DIFFERING * (len(some) - head)) if len(some) >= FEWEST_WORDS else 0)
