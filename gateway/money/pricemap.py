"""From an entry of litellm's price map to a `Tariff`. The map has USD per token under some forty names."""

from __future__ import annotations

import math
import re
from typing import Any

from gateway.money.tariff import CACHE_MINIMUM, CACHE_SECONDS, OffPeak, Rates, Step, Tariff, Window

Entry = dict[str, Any]

# Modes whose bill is made of text tokens alone.
_TEXT = frozenset({"chat", "responses", "completion", "embedding"})

# Of these a price of 0 is believed: they run on one's own machine, or have models or an offer without charge.
_GIVES_FREELY = frozenset({"ollama", "lemonade", "gemini", "zai", "mistral", "codestral", "publicai"})

# Something else than tokens is billed, so tokens alone would give a bill that is too low.
_NOT_BY_TOKEN = ("input_cost_per_request", "output_cost_per_image", "input_cost_per_query")

# xAI charges the higher rate from the mark on, the others from the first token beyond it.
_MARK_INCLUDED = frozenset({"xai"})

# Fireworks bills cached prompt tokens at half the input price where a model's page names no other.
_CACHE_READ_SHARE = {"fireworks_ai": 0.5}

# DeepSeek keeps prompts on disk, for hours to days; for Groq it is two hours.
_CACHE_SECONDS = {"deepseek": 7_200.0, "groq": 7_200.0}

_STEP = re.compile(r"^input_cost_per_token_above_(\d+)(k?)_tokens$")
_HOURS = re.compile(r"^\s*(\d\d):(\d\d)-(\d\d):(\d\d)\s*$")
_WEEK = frozenset(range(1, 8))


def provider_of(entry: Entry) -> str:
    """The provider as it stands in front of a model's name: the map splits some of them by model family."""
    provider = str(entry.get("litellm_provider") or "")
    if provider.startswith("vertex_ai-"):
        return "vertex_ai"
    return {"bedrock_converse": "bedrock", "cohere_chat": "cohere"}.get(provider, provider)


def tariff_of(key: str, entry: Entry, tier: str = "") -> Tariff | None:
    """The tariff of an entry, `None` where the map does not know it. `tier` is the ending of a service tier's names
    (`_flex`); without such names in the entry there is no tariff of that tier."""
    if entry.get("mode") not in _TEXT and entry.get("mode") is not None:
        return None
    if any(_dollars(entry, name) for name in _NOT_BY_TOKEN) or _searches(key, entry):
        return None
    if tier and _dollars(entry, f"input_cost_per_token{tier}") is None:
        return None
    steps = _steps(entry, tier)
    rates = _rates(entry, "", tier)
    if rates is None and steps and steps[0].over == 0:
        rates = steps[0].rates
    if rates is None or _doubtful(entry, rates):
        return None
    minimum = entry.get("prompt_cache_min_tokens")
    return Tariff(
        rates=rates,
        steps=tuple(step for step in steps if step.over > 0),
        off_peak=_off_peak(entry),
        cache_on_request="claude" in key,
        cache_minimum=minimum if type(minimum) is int and minimum > 0 else CACHE_MINIMUM,
        cache_seconds=_CACHE_SECONDS.get(provider_of(entry), CACHE_SECONDS),
    )


def _searches(key: str, entry: Entry) -> bool:
    """Whether the model searches the web for each request, which costs a fee that no usage shows. Other models do so
    only where they are given the tool."""
    searching = "search" in key or provider_of(entry) == "perplexity"
    return searching and bool(entry.get("search_context_cost_per_query") or entry.get("citation_cost_per_token"))


def _doubtful(entry: Entry, rates: Rates) -> bool:
    return rates.input == 0 and rates.output == 0 and provider_of(entry) not in _GIVES_FREELY


def _rates(entry: Entry, above: str, tier: str) -> Rates | None:
    """The rates under the names that end in `above` (`_above_200k_tokens`) and `tier`. A rate without a name of its
    own has the standard one's."""

    def rate(name: str) -> float | None:
        for ending in (above + tier, above, tier, ""):
            dollars = _dollars(entry, name + ending)
            if dollars is not None:
                return dollars
        return None

    paid, earned = rate("input_cost_per_token"), rate("output_cost_per_token")
    if earned is None and entry.get("mode") == "embedding":
        earned = 0.0
    if paid is None or earned is None:
        return None
    read = rate("cache_read_input_token_cost")
    if read is None and (share := _CACHE_READ_SHARE.get(provider_of(entry))):
        read = paid * share
    return Rates(
        input=paid,
        output=earned,
        cache_read=read,
        cache_write=_write(rate("cache_creation_input_token_cost"), paid),
        cache_write_1h=_write(rate("cache_creation_input_token_cost_above_1hr"), paid),
        reasoning=_reasoning(entry),
        audio_input=rate("input_cost_per_audio_token"),
        audio_read=rate("cache_read_input_audio_token_cost"),
        audio_output=rate("output_cost_per_audio_token"),
    )


def _write(price: float | None, paid: float) -> float | None:
    # No provider writes to its cache for less than it reads plainly. Where the map says so it means "has no such
    # price" (0), or the price of storing.
    return None if price is None or price < paid or price == 0 else price


def _reasoning(entry: Entry) -> float | None:
    # where the two are equal, reasoning follows the output price, up the steps too
    reasoning = _dollars(entry, "output_cost_per_reasoning_token")
    return None if reasoning == _dollars(entry, "output_cost_per_token") else reasoning


def _steps(entry: Entry, tier: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for name in entry:
        mark = _STEP.match(name)
        if mark and (rates := _rates(entry, name.removeprefix("input_cost_per_token"), tier)):
            over = int(mark[1]) * (1000 if mark[2] else 1)
            steps.append(Step(over - (provider_of(entry) in _MARK_INCLUDED), rates))
    bands = [band for band in entry.get("tiered_pricing") or () if isinstance(band, dict)]
    steps += [Step(int(band["range"][0]), rates) for band in bands if (rates := _rates({**entry, **band}, "", tier))]
    return tuple(sorted(steps, key=lambda step: step.over))


def _dollars(entry: Entry, name: str) -> float | None:
    """USD per million tokens, rounded where binary fractions would show (2.8e-08 is 0.028)."""
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return round(value * 1_000_000, 9)


def _off_peak(entry: Entry) -> OffPeak | None:
    block = entry.get("off_peak_pricing")
    if not isinstance(block, dict):
        return None
    rules = [{"hours_utc": block.get("hours_utc")}, *(block.get("windows") or ())]
    return OffPeak(
        windows=tuple(window for rule in rules for window in _windows(rule)),
        input=_dollars(block, "input_cost_per_token"),
        output=_dollars(block, "output_cost_per_token"),
        cache_read=_dollars(block, "cache_read_input_token_cost"),
    )


def _windows(rule: dict[str, Any]) -> list[Window]:
    hours = rule.get("hours_utc")
    weekdays = frozenset(rule.get("weekdays") or _WEEK)
    found = [_HOURS.match(span) for span in ([hours] if isinstance(hours, str) else hours or ())]
    return [
        Window(int(span[1]) * 60 + int(span[2]), int(span[3]) * 60 + int(span[4]), weekdays) for span in found if span
    ]
