"""Scoring as the gateway does it: bytes parsed by the wire, the shipped configuration, the scorer."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.api import Complexity, Hints
from gateway.config import load
from gateway.wire import parse
from gateway_complexity import FourFactors
from gateway_complexity.factors import Signals

SHIPPED = Path(__file__).parents[3] / "tiers.yaml"


@pytest.fixture(scope="session")
def routing():
    return load(SHIPPED, {}).routing


@pytest.fixture(scope="session")
def score(routing) -> Callable[..., Complexity]:
    """Score a chat body, or the text of one user turn. `told` is the task type that the caller names; anything else
    replaces a rule of `routing`."""

    def scored(body: Any, told: str | None = None, **rules: Any) -> Complexity:
        body = {"messages": [{"role": "user", "content": body}]} if isinstance(body, str) else body
        request = parse(json.dumps({"model": "auto", **body}).encode(), {})
        host = SimpleNamespace(routing=replace(routing, **rules))
        scorer = FourFactors(host, Signals())  # type: ignore[arg-type]  # the scorer asks its host for `routing` only
        return scorer.score(replace(request, hints=Hints(task_type=told)))

    return scored


@pytest.fixture
def factor() -> Callable[[Complexity, str], float]:
    return lambda complexity, name: next(one.value for one in complexity.factors if one.name == name)


@pytest.fixture
def agent_turns() -> Callable[[int], dict[str, Any]]:
    """A conversation of its own for each number: a turn, a call that may fail, a correction, sometimes tools."""

    def turns(number: int) -> dict[str, Any]:
        function = {"name": "run", "arguments": json.dumps({"command": f"pytest tests/test_{number}.py"})}
        tool = {
            "name": f"tool{number}",
            "description": "Runs the tests of the parser.",
            "parameters": {"properties": {}},
        }
        return {
            "messages": [
                {
                    "role": "user",
                    "content": f"Fix the bug {number} in parser_{number % 7}.py" + ", and test it" * (number % 5),
                },
                {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": function}]},
                {"role": "tool", "tool_call_id": "a", "content": f"{number % 3} failed in {number} s"},
                {"role": "user", "content": f"That is wrong, {number}." if number % 2 else f"Go on, {number}."},
            ],
            "tools": [{"type": "function", "function": tool}] * (number % 4),
        }

    return turns
