"""What a call cost less than what was asked for would have, split by cause. `docs/explanation/savings.md` tells it
in prose, with a worked example that a test computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.api import Savings, Usage, Warmth
from gateway.money.cost import cost
from gateway.money.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Bill:
    """All that the savings of one call are computed from.

    `asked` is the tariff of the model asked for (of the baseline model where `auto` or a tier was asked), `served`
    that of the deployment that answered; `usage` is what the answering attempt used, `failed_usd` what all other
    attempts cost, and `recalls_usd` what it cost beyond `usage` that the model asked for what had been left out.
    What was trimmed is split in two: `removed_old` tokens from messages that the conversation's previous request
    had too, `removed_new` from those that came since. `warmth` is how the conversation stood before this call, and
    `repeated` the share of the untrimmed prompt, by characters, that it had then. `marked` is the share that the
    caller's body itself asks to be cached (`cache_control`), for `marked_seconds`; `marked_here`: it asks for
    nothing, and the gateway did. `prefix_kept`: what was sent begins as the previous request did, byte for byte. `at`
    is Unix time in seconds.
    """

    asked: Tariff | None
    asked_model: str | None
    served: Tariff | None
    served_model: str | None
    usage: Usage | None
    removed_old: int = 0
    removed_new: int = 0
    warmth: Warmth = field(default_factory=Warmth)
    repeated: float = 0.0
    marked: float = 0.0
    marked_seconds: float = 0.0
    marked_here: bool = False
    prefix_kept: bool = True
    failed_usd: float | None = 0.0
    recalls_usd: float | None = 0.0
    at: float | None = None

    @property
    def warm(self) -> bool:
        """Whether the conversation was seen so lately that the model asked for would still have it cached."""
        if self.asked is None or self.warmth.model is None:
            return False
        return self.warmth.age < (self.marked_seconds if self.asked.cache_on_request else self.asked.cache_seconds)

    @property
    def steady(self) -> bool:
        """Whether the session stays on the model asked for: then the upstream's own report shows what its cache did,
        and nothing about it has to be guessed. Where the gateway set the marks it shows what those did: without them
        nothing would have been cached."""
        if self.marked_here:
            return False
        if self.served_model is None or self.served_model != self.asked_model:
            return False
        if self.usage is None or self.usage.estimated:
            return False
        return not self.warm or (self.warmth.model == self.served_model and self.prefix_kept)


def savings(bill: Bill) -> Savings:
    """The saving by cause. The three add up exactly to `baseline_usd` minus what all attempts cost; each is `None`
    where a price it needs is unknown, and the baseline is known without the price of the model that served."""
    if bill.usage is None:
        return Savings()
    untrimmed = _untrimmed(bill, bill.usage)
    trimmed = _trim(bill, untrimmed, bill.usage)
    baseline = cost(untrimmed, bill.asked, bill.at)
    actual = cost(bill.usage, bill.served, bill.at)
    # Most calls are neither trimmed nor cached otherwise than asked: then these are the same usage, billed once.
    elsewhere = actual if untrimmed is bill.usage else cost(untrimmed, bill.served, bill.at)
    shorter = elsewhere if trimmed is untrimmed else cost(trimmed, bill.served, bill.at)
    return Savings(
        routing=_less(_less(baseline, elsewhere), bill.failed_usd),
        context=_less(_less(elsewhere, shorter), bill.recalls_usd),
        # what the model asked for would have had cached is a guess that needs its tariff
        cache=None if bill.asked is None else _less(shorter, actual),
        baseline_usd=baseline,
    )


def _less(more: float | None, by: float | None) -> float | None:
    return None if more is None or by is None else more - by


def _untrimmed(bill: Bill, usage: Usage) -> Usage:
    """The usage of the prompt as the caller sent it, had it gone where it was asked to go."""
    size = usage.input + bill.removed_old + bill.removed_new
    if bill.asked is None or bill.steady:
        return _as_reported(bill, usage, size)
    return _as_expected(bill, bill.asked, usage, size)


def _as_reported(bill: Bill, usage: Usage, size: int) -> Usage:
    """What the upstream reports tells where the removed tokens would have stood: old ones in what it read from its
    cache, new ones in what it wrote; in plain input where it did neither."""
    read = bill.removed_old if usage.cached else 0
    written = bill.removed_old + bill.removed_new - read if usage.cache_write else 0
    return _with_cache(usage, size, usage.cached + read, usage.cache_write + written)


def _as_expected(bill: Bill, asked: Tariff, usage: Usage, size: int) -> Usage:
    """What the model asked for would have found cached, had it served this session all along: everything that the
    previous request had sent, and no less than the model that served did find. This is a guess, and it leans towards a
    cheaper baseline."""
    marked = min(size, round(size * bill.marked)) if asked.cache_on_request else size
    cached = 0
    if asked.rates.cache_read is not None:
        cached = min(marked, max(usage.cached, _repeated(bill, size) if bill.warm else 0))
        if cached < asked.cache_minimum:
            cached = 0
    writes = asked.cache_on_request and asked.rates.cache_write is not None and marked >= asked.cache_minimum
    return _with_cache(usage, size, cached, marked - cached if writes else 0)


def _repeated(bill: Bill, size: int) -> int:
    """Tokens of the untrimmed prompt that the previous request had too: as many as that had, where one model counted
    both; else by the share of the characters."""
    if bill.warmth.model == bill.served_model:
        return min(size, bill.warmth.original_tokens)
    return min(size, round(size * bill.repeated))


def _trim(bill: Bill, untrimmed: Usage, usage: Usage) -> Usage:
    """The untrimmed usage without the removed tokens, which came out of the cached part as far as they are old."""
    cached = min(untrimmed.cached - min(bill.removed_old, untrimmed.cached), usage.input)
    plain = untrimmed.input - untrimmed.cached - untrimmed.cache_write
    # Plain tokens stay plain: where something was written, what was removed behind the cached part would have been.
    written = max(0, usage.input - cached - plain) if untrimmed.cache_write else 0
    return _with_cache(usage, usage.input, cached, min(written, untrimmed.cache_write))


def _with_cache(usage: Usage, size: int, cached: int, written: int) -> Usage:
    """Writes are taken for as long-lived as most of the reported ones are."""
    if (size, cached, written) == (usage.input, usage.cached, usage.cache_write):
        return usage
    long = written if usage.cache_write_1h * 2 > usage.cache_write else 0
    if written == usage.cache_write:
        long = usage.cache_write_1h
    return replace(usage, input=size, cached=cached, cache_write=written, cache_write_1h=long)
