"""What is claimed to be saved, against what was: whole sessions twice, as they went and as they were asked for."""

from __future__ import annotations

import pytest

from bench.savings.__main__ import outcome
from bench.savings.sessions import SCENARIOS, Scenario

TURNS = 12
TELLING = [
    "same model, trimmed",
    "cheaper model, trimmed",
    "cheaper model, trimmed, pause of 10 minutes",
    "cheaper model, trimmed, down and up again",
    "cheaper model, trimmed, trimmed until the 10th",
    "cheaper model, trimmed, prompts under 1,024",
    "cheaper model, trimmed, same system prompt, 4 sessions",
    "cheaper model, trimmed, small calls between, cheaper",
    "Claude unmarked, cheaper",
    "Claude marked, cheaper",
    "Claude marked, cheaper, kept an hour, the same pause",
    "Claude marked, to OpenAI",
    "OpenAI, to Claude",
]


def named() -> dict[str, Scenario]:
    """Scenarios by name, the indented ones behind the one they vary."""
    found, over = {}, ""
    for scenario in SCENARIOS:
        inside = scenario.name.startswith("  ")
        over = over if inside else scenario.name
        found[f"{over}, {scenario.name.strip()}" if inside else over] = scenario
    return found


@pytest.mark.parametrize("name", TELLING)
async def test_a_claim_does_not_flatter(name: str) -> None:
    told = await outcome(named()[name], TURNS)
    assert told.claimed == pytest.approx(told.saved, abs=0.02 * told.asked)
