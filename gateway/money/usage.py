"""Reading what an upstream says it used.

A usage is believed only where its two totals are whole numbers in a sane range, and a prompt has at least one token;
anything else is `None`, and the caller estimates instead. A detail (cached, written, reasoning) that is no such number,
or more than its whole, is not believed. A wrong detail therefore makes a bill dearer, never cheaper than the totals
allow: cached tokens that cannot be believed are billed as plain input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.api import Usage

LARGEST_COUNT = 20_000_000
"""Twice the longest context window there is; a count beyond it is a mistake of the upstream's."""

CHARS_PER_TOKEN = 4
"""Rule of thumb for English and code, used only where nothing was measured."""


def read_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """The tokens in an OpenAI-shaped `usage` object, `None` where it has none that can be believed.

    Understands OpenAI's details, Anthropic's and litellm's cache fields, DeepSeek's `prompt_cache_hit_tokens`,
    upstreams (xAI, Google) that count reasoning beside `completion_tokens` instead of inside it, and resellers that
    count Anthropic's cached tokens beside `prompt_tokens`, as Anthropic does.
    """
    if not isinstance(usage, Mapping):
        return None
    prompt = _count(usage.get("prompt_tokens"))
    completion = _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details, answer = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    cached = _first(details.get("cached_tokens"), usage.get("cache_read_input_tokens"),
                    usage.get("prompt_cache_hit_tokens"))  # fmt: skip
    written = _first(details.get("cache_write_tokens"), details.get("cache_creation_tokens"),
                     usage.get("cache_creation_input_tokens"))  # fmt: skip
    reasoning = _first(answer.get("reasoning_tokens"), usage.get("reasoning_tokens"))
    total = _count(usage.get("total_tokens"))
    if _is_anthropic(usage) and (cached + written > prompt or total == prompt + completion + cached + written):
        prompt += cached + written
    if reasoning and (reasoning > completion or total == prompt + completion + reasoning):
        completion += reasoning
    if prompt == 0:
        return None
    cached = cached if cached <= prompt else 0
    written = min(prompt - cached, written)
    return Usage(
        input=prompt,
        output=completion,
        cached=cached,
        cache_write=written,
        reasoning=min(reasoning, completion),
        cache_write_1h=min(written, _written_for_an_hour(usage, details)),
        audio_input=min(prompt, _first(details.get("audio_tokens"))),
        audio_output=min(completion, _first(answer.get("audio_tokens"))),
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


def _is_anthropic(usage: Mapping[str, Any]) -> bool:
    """Whether the cached tokens stand where Anthropic puts them: only there may the prompt be without them."""
    return bool(_first(usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")))
