"""A model's part in recalling: it asks for what its answer needs and cannot read, where the prompt says how.

It knows what it looks for better than a real one does, and asks no more than it must; what that costs is a lower bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bench.context.prompt import content_of, layout
from bench.context.traces import Json
from gateway.api import RECALL
from gateway_reduce.marks import identify

LONGEST_PATTERN = 200  # characters that the tool takes
_ID = re.compile(r"recall ([0-9a-f]{12})")


def texts_by_id(body: Json) -> dict[str, str]:
    """The results of a conversation by the ids under which they can be asked for."""
    results = [content_of(message) for message in body["messages"] if message.get("role") in ("tool", "function")]
    return {identify(result): result for result in results}


def recall_for(prompt: Json, wanted: Iterable[str], texts: Mapping[str, str]) -> Json | None:
    """The arguments of the recall that a model makes before it answers; `None` where it needs or can make none."""
    offered = [(tool.get("function") or {}).get("name") for tool in prompt.get("tools") or ()]
    if RECALL not in offered:
        return None
    read = "\n".join(map(layout, prompt["messages"]))  # with the recalls made so far: none is made twice
    ids = list(dict.fromkeys(_ID.findall(read)))
    for fact in sorted(wanted):
        if fact in read or len(fact) > LONGEST_PATTERN:
            continue
        found = next((id for id in ids if fact in texts.get(id, "")), None)
        if found is not None:
            return {"id": found, "pattern": re.escape(fact)}
    return None


def recalled(prompts: Iterable[Json], messages: int) -> str:
    """What came back from recalls: the results that stand behind the first `messages` of prompts."""
    behind = [message for prompt in prompts for message in prompt["messages"][messages:]]
    return "\n".join(content_of(message) for message in behind if message.get("role") == "tool")
