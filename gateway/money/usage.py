"""Reading what an upstream says it used.

A usage is believed only where its two totals are whole numbers in a sane range; anything else is `None`, and the
caller estimates instead. A detail (cached, written, reasoning) that is no such number counts as 0 and is never
allowed to exceed its whole. A wrong detail therefore makes a bill dearer, never cheaper than the totals allow: cached
tokens that cannot be believed are billed as plain input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.api import Usage

LARGEST_COUNT = 1_000_000_000
"""No request has a billion tokens; a count beyond it is a mistake of the upstream's."""

CHARS_PER_TOKEN = 4
"""Rule of thumb for English and code, used only where nothing was measured."""


def read_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """The tokens in an OpenAI-shaped `usage` object, `None` where it has none that can be believed.

    Understands OpenAI's details, Anthropic's and litellm's cache fields, DeepSeek's `prompt_cache_hit_tokens`, and
    upstreams (xAI, Google) that count reasoning beside `completion_tokens` instead of inside it.
    """
    if not isinstance(usage, Mapping):
        return None
    prompt = _count(usage.get("prompt_tokens"))
    completion = _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = _details(usage, "prompt_tokens_details")
    cached = min(prompt, _first(details.get("cached_tokens"), usage.get("cache_read_input_tokens"),
                                usage.get("prompt_cache_hit_tokens")))  # fmt: skip
    written = min(prompt - cached, _first(details.get("cache_write_tokens"), details.get("cache_creation_tokens"),
                                          usage.get("cache_creation_input_tokens")))  # fmt: skip
    reasoning = _first(_details(usage, "completion_tokens_details").get("reasoning_tokens"),
                       usage.get("reasoning_tokens"))  # fmt: skip
    if _counted_apart(usage, prompt, completion, reasoning):
        completion += reasoning
    return Usage(
        input=prompt,
        output=completion,
        cached=cached,
        cache_write=written,
        reasoning=min(reasoning, completion),
        cache_write_1h=min(written, _written_for_an_hour(usage, details)),
    )


def estimate_usage(
    *, prompt_tokens: int | None = None, prompt_chars: int = 0, output_tokens: int | None = None, output_chars: int = 0
) -> Usage:
    """What a call used where the upstream did not say: a count where the caller has one, else from characters.
    Nothing counts as cached, so that an estimate never flatters a bill."""
    return Usage(
        input=_tokens(prompt_chars) if prompt_tokens is None else max(0, prompt_tokens),
        output=_tokens(output_chars) if output_tokens is None else max(0, output_tokens),
        estimated=True,
    )


def _tokens(chars: int) -> int:
    return -(-max(0, chars) // CHARS_PER_TOKEN)


def _count(value: object) -> int | None:
    # bool is an int to Python, not to a provider
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        return None
    return value


def _first(*values: object) -> int:
    """The first believable count above 0: providers and litellm write the same number in several places, some as 0."""
    return next((count for value in values if (count := _count(value))), 0)


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = usage.get(name)
    return details if isinstance(details, Mapping) else {}


def _written_for_an_hour(usage: Mapping[str, Any], details: Mapping[str, Any]) -> int:
    for creation in (details.get("cache_creation_token_details"), usage.get("cache_creation")):
        if isinstance(creation, Mapping):
            return _first(creation.get("ephemeral_1h_input_tokens"))
    return 0


def _counted_apart(usage: Mapping[str, Any], prompt: int, completion: int, reasoning: int) -> bool:
    if reasoning == 0:
        return False
    return reasoning > completion or _count(usage.get("total_tokens")) == prompt + completion + reasoning
