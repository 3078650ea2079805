"""Conversations in miniature."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway_reduce import ReduceSettings
from gateway_reduce.reduction import Reduction


def call(id: str, **arguments: Any) -> dict[str, Any]:
    function = {"name": "run", "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id, "type": "function", "function": function}]}


def result(id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


@pytest.fixture
def conversation() -> Callable[..., dict[str, Any]]:
    """A body of one call and its result for each text given, under the ids call_0, call_1, ..."""

    def build(*texts: str, **arguments: Any) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [{"role": "user", "content": "Look into it."}]
        for at, text in enumerate(texts):
            messages += [call(f"call_{at}", **arguments), result(f"call_{at}", text)]
        return {"model": "gpt-5-mini", "messages": messages}

    return build


@pytest.fixture(scope="session")
def reduction() -> Reduction:
    """One instance for all tests: what it remembers must not show."""
    return Reduction(ReduceSettings().rules)
