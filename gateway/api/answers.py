"""What a model answered, and what a verifier says of it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.api.values import Json, Usage


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of an upstream, for verifiers and for plugins that ask by `Host.complete`."""

    body: Json
    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    usage: Usage | None
    deployment: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's word on an answer. A bad one is escalated one tier up, before a byte reaches the caller."""

    good: bool
    reason: str = ""
