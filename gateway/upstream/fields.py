"""Which fields of a caller's body reach litellm.

It takes about 390 keywords, most of them levers on its own inside (`api_base`, `mock_response`, `headers`). A caller's
body never reaches them: what is not a field of the API stays out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import orjson

FIELDS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)

# What a provider's own wire has beside OpenAI's fields. There is no room in it for fields nobody knows.
OWN_FIELDS: Mapping[str, frozenset[str]] = {
    "anthropic": frozenset({"cache_control", "context_management", "speed", "top_k"}),
    "gemini": frozenset({"safety_settings", "top_k"}),
}


def copied(value: Any) -> Any:
    """A copy of JSON through and through, since litellm edits what it is given."""
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError:  # a lone surrogate or an integer beyond 64 bits, which orjson does not write
        return copy.deepcopy(value)
