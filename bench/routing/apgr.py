"""The quality of a complexity score on measured outcomes of a weak and a strong model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Requests, and for each the share of a right answer that the weak and the strong model gave."""

    name: str
    requests: tuple[dict[str, Any], ...]
    weak: tuple[float, ...]
    strong: tuple[float, ...]


def read(folder: Path) -> list[Outcomes]:
    """All `*.jsonl` sets of a folder; a row has `request`, `weak.quality` and `strong.quality`."""
    sets = []
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines if line.strip()]
        sets.append(
            Outcomes(
                path.stem,
                tuple(row["request"] for row in rows),
                tuple(float(row["weak"]["quality"]) for row in rows),
                tuple(float(row["strong"]["quality"]) for row in rows),
            )
        )
    return sets


def apgr(scores: Sequence[float], outcomes: Outcomes) -> float:
    """Average performance gap recovered (RouteLLM, arXiv:2406.18665): the requests go to the strong model from the
    highest score down; the area under the share of the quality gap recovered, over the share of requests sent. Random
    order gives 0.5. Requests of the same score go together. Raises `ValueError` where the models do equally well."""
    gains = [strong - weak for weak, strong in zip(outcomes.weak, outcomes.strong, strict=True)]
    total = sum(gains)
    if not total:
        raise ValueError(f"{outcomes.name}: the two models do equally well")
    ranked = sorted(zip(scores, gains, strict=True), key=lambda pair: -pair[0])
    area = recovered = 0.0
    for _, tied in groupby(ranked, key=lambda pair: pair[0]):
        group = [gain for _, gain in tied]
        before = recovered
        recovered += sum(group) / total
        area += (before + recovered) / 2 * len(group) / len(gains)
    return area
