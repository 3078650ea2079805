"""What an optimizer must leave alone: everything but the words of tool results."""

from __future__ import annotations

from typing import Any

from bench.context.prompt import content_of, unmarked
from bench.context.traces import Json

OURS = frozenset({"model", "messages", "tools"})  # a gateway names the model, and may offer a tool of its own


def broken(before: Json, after: Json) -> list[str]:
    """The faults of a changed body in words. Cache marks, tools and fields that were added are none."""
    faults = [f"field {name}" for name in before if name not in OURS and after.get(name) != before[name]]
    offered = unmarked(after.get("tools") or [])
    faults += ["tool gone" for tool in before.get("tools") or () if tool not in offered]
    old, new = before["messages"], after.get("messages") or []
    if len(old) != len(new):
        return [*faults, f"{len(new)} messages instead of {len(old)}"]
    for mine, theirs in zip(old, new, strict=True):
        if _frame(mine) != _frame(theirs):
            faults.append(f"{mine.get('role')} message changed")
        elif content_of(mine).strip() and not content_of(theirs).strip():
            faults.append("result emptied")
    return faults


def _frame(message: Json) -> Any:
    """A message as far as it must stay: a lone text is the same as a list with it alone, as cache marks need one."""
    message = unmarked(message)
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if message.get("role") in ("tool", "function") and isinstance(content, list):
        content = [{**p, "text": ""} if isinstance(p, dict) and "text" in p else p for p in content]
    return {**message, "content": content}
