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
