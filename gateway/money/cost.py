"""From tokens to dollars: the one place where a bill is computed."""

from __future__ import annotations

from gateway.api import Price, Usage
from gateway.money.tariff import Rates, Tariff

MILLION = 1_000_000


def cost(usage: Usage | None, tariff: Tariff | Price | None, at: float | None = None) -> float | None:
    """USD for `usage` at Unix time `at`; `None` where the usage or the price is unknown.

    Uncached input (`input - cached - cache_write`) at the input price, cached tokens at the read price, written ones
    at the write price, the answer at the output price, its reasoning at the reasoning price, sound at its own prices.
    Nothing here can lower a bill below zero: a usage whose parts exceed their whole is billed by its parts.
    """
    if usage is None or tariff is None:
        return None
    if isinstance(tariff, Price):
        tariff = Tariff.flat(tariff)
    return _prompt(usage, rates := tariff.at(usage.input, at)) + _answer(usage, rates)


def _prompt(usage: Usage, rates: Rates) -> float:
    read = rates.input if rates.cache_read is None else rates.cache_read
    write = rates.input if rates.cache_write is None else rates.cache_write
    write_1h = write if rates.cache_write_1h is None else rates.cache_write_1h
    long = min(usage.cache_write_1h, usage.cache_write)
    uncached = max(0, usage.input - usage.cached - usage.cache_write)
    dollars = uncached * rates.input + usage.cached * read + (usage.cache_write - long) * write + long * write_1h
    if usage.audio_input and rates.audio_input is not None:
        # Nobody reports which of the cached tokens are sound: it counts as cached only where it must be.
        fresh = min(usage.audio_input, uncached)
        known = min(usage.audio_input - fresh, usage.cached)
        audio_read = read if rates.audio_read is None else rates.audio_read
        dollars += fresh * (rates.audio_input - rates.input) + known * (audio_read - read)
    return dollars / MILLION


def _answer(usage: Usage, rates: Rates) -> float:
    reasoning = min(usage.reasoning, usage.output)
    thought = rates.output if rates.reasoning is None else rates.reasoning
    dollars = (usage.output - reasoning) * rates.output + reasoning * thought
    if usage.audio_output and rates.audio_output is not None:
        dollars += min(usage.audio_output, usage.output - reasoning) * (rates.audio_output - rates.output)
    return dollars / MILLION


def worst_case(
    tariff: Tariff | Price | None, prompt_tokens: int, max_output: int | None, *, audio: bool = False
) -> float | None:
    """The most USD a call can cost: nothing cached, all of it written at the dearest write price, the answer as long
    as allowed and at the dearer of its prices; with `audio`, all of it sound. `None` where the price or the longest
    answer is unknown.

    `prompt_tokens` is the caller's estimate; the bound is as good as that.
    """
    if tariff is None or max_output is None:
        # A free model costs nothing however long it talks.
        return 0.0 if tariff is not None and _free(tariff) else None
    if isinstance(tariff, Price):
        tariff = Tariff.flat(tariff)
    rates = tariff.at(prompt_tokens)
    dearest_input = max(rates.input, rates.cache_write or 0.0, rates.cache_write_1h or 0.0, rates.cache_read or 0.0)
    dearest_output = max(rates.output, rates.reasoning or 0.0)
    if audio:
        dearest_input = max(dearest_input, rates.audio_input or 0.0)
        dearest_output = max(dearest_output, rates.audio_output or 0.0)
    return (prompt_tokens * dearest_input + max_output * dearest_output) / MILLION


def _free(tariff: Tariff | Price) -> bool:
    if isinstance(tariff, Price):
        return tariff.free
    return tariff.price.free and not tariff.steps and not tariff.rates.reasoning
