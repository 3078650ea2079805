"""What a model charges: rates that may depend on the length of the prompt and on the time of day.

`api.Price` is what people read and write; a `Tariff` is what bills are computed from. Rates are USD per million tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.api import Price


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens. `None`: the provider has no price of its own for it and bills the more general one
    (reads and writes the input price, one-hour writes the write price, reasoning the output price, sound that of
    text)."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_read: float | None = None
    audio_output: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Rates of a prompt longer than `over` tokens, cached ones included. They hold for the whole request, the answer
    too, and not only for the tokens beyond the mark: so bill Google, OpenAI, xAI, Anthropic and Alibaba."""

    over: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a day in UTC: from minute `start` up to minute `end`, on the ISO weekdays given. An `end` at or before
    the `start` reaches over midnight, an equal one covers the day."""

    start: int
    end: int
    weekdays: frozenset[int]

    def covers(self, moment: datetime) -> bool:
        """Whether the UTC `moment` lies inside. A day is judged by the weekday of the moment itself."""
        if moment.isoweekday() not in self.weekdays:
            return False
        minute = moment.hour * 60 + moment.minute
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class OffPeak:
    """Rates in the quiet hours (DeepSeek has them): each one given replaces the usual one, whatever the step."""

    windows: tuple[Window, ...]
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None

    def open(self, at: float) -> bool:
        """Whether Unix time `at` is off-peak."""
        moment = datetime.fromtimestamp(at, UTC)
        return any(window.covers(moment) for window in self.windows)

    def applied(self, rates: Rates) -> Rates:
        """`rates` with the off-peak ones in their place."""
        return replace(
            rates,
            input=rates.input if self.input is None else self.input,
            output=rates.output if self.output is None else self.output,
            cache_read=rates.cache_read if self.cache_read is None else self.cache_read,
        )


CACHE_MINIMUM = 1024
"""Prompt tokens below which providers cache nothing, where the price list names no other number."""

CACHE_SECONDS = 600.0
"""How long a prompt that was not used again stays cached at most, where a provider says no other number. OpenAI says
five to ten minutes."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """All that a model charges.

    `steps` stand in rising order. `cache_on_request`: the provider caches only where the body asks for it (Claude's
    `cache_control`, which also says for how long), not by itself and for `cache_seconds`. `cache_minimum` is the
    smallest prompt prefix, in tokens, that it caches.
    """

    rates: Rates
    steps: tuple[Step, ...] = ()
    off_peak: OffPeak | None = None
    cache_on_request: bool = False
    cache_minimum: int = CACHE_MINIMUM
    cache_seconds: float = CACHE_SECONDS

    @classmethod
    def flat(cls, price: Price, *, cache_on_request: bool = False) -> Tariff:
        """The tariff of a price that depends on nothing."""
        rates = Rates(price.input, price.output, price.cache_read, price.cache_write)
        return cls(rates, cache_on_request=cache_on_request)

    @property
    def price(self) -> Price:
        """The everyday price, for those who only compare."""
        return Price(self.rates.input, self.rates.output, self.rates.cache_read, self.rates.cache_write)

    def at(self, prompt_tokens: int, when: float | None = None) -> Rates:
        """The rates of a request with that many prompt tokens, sent at Unix time `when`. Without a time the usual
        hours hold, which are the dearer ones."""
        rates = self.rates
        for step in self.steps:
            if prompt_tokens > step.over:
                rates = step.rates
        if self.off_peak is not None and when is not None and self.off_peak.open(when):
            return self.off_peak.applied(rates)
        return rates
