"""Recorded agent sessions, and the requests a gateway saw of them.

A trace file has one session per line: `{"id", "kind", "request", "cuts", "gold"}`. `request` is a whole chat body,
`cuts` are the message indices at which the agent called the model: request k is the body with `messages[:cuts[k]]`,
and `messages[cuts[k]]` is the answer it got. `gold` (message index to strings) names what that answer needed.
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
    body: Json
    answer: Json | None
    gold: tuple[str, ...]


@dataclass(frozen=True)
class Session:
    id: str
    kind: str
    body: Json
    cuts: tuple[int, ...]
    gold: dict[int, list[str]]

    def turns(self) -> Iterator[Turn]:
        messages = self.body["messages"]
        for cut in self.cuts:
            answer = messages[cut] if cut < len(messages) else None
            yield Turn({**self.body, "messages": messages[:cut]}, answer, tuple(self.gold.get(cut, ())))


def read(places: list[Path]) -> list[Session]:
    """All sessions of the files, and of the `.jsonl` files of the folders, given."""
    files = [file for place in places for file in (sorted(place.glob("*.jsonl")) if place.is_dir() else [place])]
    sessions = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            body, gold = record["request"], record.get("gold") or {}
            answers = [at for at, message in enumerate(body["messages"]) if at and message["role"] == "assistant"]
            cuts = tuple(record.get("cuts") or answers)
            sessions.append(Session(record["id"], record["kind"], body, cuts, {int(at): gold[at] for at in gold}))
    return sessions
