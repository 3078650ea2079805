"""Sessions of agents, and the requests a gateway saw of them.

A trace file has one session per line: `{"id", "kind", "native", "request", "cuts", "gold"}`. `request` is a whole chat
body, `cuts` are the message indices at which the agent called the model: request k is the body with
`messages[:cuts[k]]`, and `messages[cuts[k]]` is the answer it got. `gold` (message index to strings) names what that
answer needed. `native` is true where the whole conversation was recorded, not only the documents in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One request of a session, the answer it got (`None`: not recorded), and what that answer is known to need."""

    body: Json
    answer: Json | None
    gold: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    id: str
    kind: str
    body: Json
    cuts: tuple[int, ...]
    gold: dict[int, list[str]]
    native: bool = False

    def turns(self) -> Iterator[Turn]:
        messages = self.body["messages"]
        for cut in self.cuts:
            answer = messages[cut] if cut < len(messages) else None
            yield Turn({**self.body, "messages": messages[:cut]}, answer, tuple(self.gold.get(cut, ())))


def read(places: list[Path]) -> list[Session]:
    """All sessions of the files, and of the `.jsonl` files of the folders, given. Raises `OSError` for a place that
    cannot be read, `ValueError` and `KeyError` for a line that holds no session."""
    files = [file for place in places for file in (sorted(place.glob("*.jsonl")) if place.is_dir() else [place])]
    return [
        session_of(json.loads(line))
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]


def session_of(record: Json) -> Session:
    body, gold = record["request"], record.get("gold") or {}
    answers = [at for at, message in enumerate(body["messages"]) if at and message["role"] == "assistant"]
    cuts = tuple(record.get("cuts") or answers)
    named = {int(at): gold[at] for at in gold}
    return Session(record["id"], record["kind"], body, cuts, named, bool(record.get("native")))
