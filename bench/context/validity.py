"""What an optimizer must leave alone: everything but the words of tool results, and of what users' messages show before
the one that the agent first answers (worked examples, documents)."""

from __future__ import annotations

from typing import Any

from bench.context.prompt import content_of, unmarked
from bench.context.traces import Json

OURS = frozenset({"model", "messages", "tools"})  # a gateway names the model, and may offer a tool of its own
RESULTS = ("tool", "function")


def broken(before: Json, after: Json) -> list[str]:
    """The faults of a changed body in words. Cache marks, tools and fields that were added are none."""
    faults = [f"field {name}" for name in before if name not in OURS and after.get(name) != before[name]]
    offered = unmarked(after.get("tools") or [])
    faults += ["tool gone" for tool in before.get("tools") or () if tool not in offered]
    old, new = before["messages"], after.get("messages") or []
    if len(old) != len(new):
        return [*faults, f"{len(new)} messages instead of {len(old)}"]
    asked = _first_asked(old)
    for at, (mine, theirs) in enumerate(zip(old, new, strict=True)):
        free = mine.get("role") in RESULTS or (mine.get("role") == "user" and at < asked)
        if _frame(mine, free=free) != _frame(theirs, free=free):
            faults.append(f"{mine.get('role')} message changed")
        elif content_of(mine).strip() and not content_of(theirs).strip():
            faults.append(f"{mine.get('role')} message emptied")
    return faults


def _first_asked(messages: list[Json]) -> int:
    """The place of the user's message that the agent first answers."""
    asked = 0
    for at, message in enumerate(messages):
        if message.get("role") == "user":
            asked = at
        elif message.get("role") not in ("system", "developer"):
            break
    return asked


def _frame(message: Json, *, free: bool) -> Any:
    """A message as far as it must stay, `free`: without its words. A lone text is the same as a list with it alone,
    as cache marks need one."""
    message = unmarked(message)
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if free and isinstance(content, list):
        content = [{**p, "text": ""} if isinstance(p, dict) and "text" in p else p for p in content]
    return {**message, "content": content}
