"""An answer that asks for what was left out: the calls in it, and the messages that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway import wire
from gateway.api import RECALL, BadRequest, Json

LATER = "Not run: first read what you recalled, then ask again."
NO_MORE = "No more recalls now: go on with what you have."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one call asks for, as the model wrote it. `fault` is a sentence where that cannot be read."""

    call_id: str
    id: str = ""
    lines: object = None
    pattern: object = None
    fault: str | None = None


def recalls(message: Json) -> tuple[Wanted, ...]:
    """The recalls that an assistant's message asks for."""
    return tuple(_wanted(call) for call in _calls(message) if _name(call) == RECALL)


def without_recalls(message: Json) -> Json:
    """The message as if none had been asked for."""
    others = [call for call in _calls(message) if _name(call) != RECALL]
    kept = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**kept, "tool_calls": others} if others else kept


def answered(body: Json, message: Json, answers: Sequence[str]) -> Json:
    """The body that asks again: the assistant's message as it came, then an answer to each of its calls. `answers` are
    those of the recalls in their order; the other calls are told to wait."""
    texts = iter(answers)
    results = [
        {
            "role": "tool",
            "tool_call_id": call.get("id") or "",
            "content": next(texts) if _name(call) == RECALL else LATER,
        }
        for call in _calls(message)
    ]
    said = {key: value for key, value in message.items() if value is not None or key == "content"}
    return {**body, "messages": [*body["messages"], {"role": "assistant", **said}, *results]}


def _calls(message: Json) -> list[Json]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _name(call: Json) -> Any:
    function = call.get("function")
    return function.get("name") if isinstance(function, dict) else None


def _wanted(call: Json) -> Wanted:
    call_id = str(call.get("id") or "")
    arguments = call["function"].get("arguments")
    try:
        told = wire.loads(arguments.encode("utf-8", "surrogatepass")) if isinstance(arguments, str) else arguments
    except BadRequest:
        return Wanted(call_id, fault='The arguments are not JSON; expected {"id": ...}.')
    if not isinstance(told, dict) or not isinstance(told.get("id"), str):
        return Wanted(call_id, fault="`id` is missing: it stands where something was left out.")
    return Wanted(call_id, told["id"].strip(), told.get("lines"), told.get("pattern"))
