"""What a request is expected to cost at a deployment, with what its upstream has likely cached.

Providers bill a repeated prefix at about a tenth, so the same request costs differently at the upstream that saw the
last turn and at any other. The formula is in docs/explanation/routing.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.api import Deployment, Price, RouteView
from gateway_tiers.settings import TiersSettings

_MILLION: Final = 1_000_000
_SLACK: Final = 0.01
"""Share by which two estimates of the same text may differ."""


@dataclass(frozen=True, slots=True)
class Expected:
    """USD for this request, `None` where the price is unknown, and USD for it and the turns that likely follow; both
    with the better of the two bodies."""

    usd: float | None
    horizon_usd: float | None
    trimmed: bool


class Forecast:
    """Expected costs of one request."""

    def __init__(self, view: RouteView, settings: TiersSettings) -> None:
        self._settings = settings
        self._warmth = view.warmth
        self._sizes = view.sizes
        warmth, sizes = view.warmth, view.sizes
        self._grown = max(0, sizes.original - warmth.original_tokens)
        cut_before = warmth.original_tokens - warmth.sent_tokens
        cut_now = sizes.original - sizes.trimmed
        # A message is cut when it enters the conversation, so what is cut now and was not cut in the last request must
        # lie in what came since. Where it cannot, an earlier part changes, and nothing behind the change is cached.
        slack = _SLACK * sizes.original
        self._trimmed_is_warm = cut_now - cut_before <= self._grown + slack
        self._original_is_warm = cut_before <= slack

    def is_warm(self, deployment: Deployment) -> bool:
        """Whether the upstream likely has the last turn's prompt cached."""
        warmth, settings = self._warmth, self._settings
        if warmth.deployment is None or warmth.sent_tokens < settings.min_prefix:
            return False
        if deployment.name != warmth.deployment and deployment.model != warmth.model:
            return False
        return warmth.age < settings.warm_seconds_by_provider.get(deployment.provider, settings.warm_seconds)

    def expect(self, deployment: Deployment) -> Expected:
        price, sizes = deployment.price, self._sizes
        warm = self.is_warm(deployment)
        prefix_trimmed = self._warmth.sent_tokens if warm and self._trimmed_is_warm else 0
        prefix_original = self._warmth.sent_tokens if warm and self._original_is_warm else 0
        if price is None:
            return Expected(None, None, trimmed=prefix_trimmed >= prefix_original)
        usd, horizon = self._cost(price, sizes.trimmed, prefix_trimmed)
        # With the same prefix cached the shorter body is the cheaper one; only an uneven cache makes it a question.
        if sizes.trimmed > sizes.original or prefix_original > prefix_trimmed:
            other, other_horizon = self._cost(price, sizes.original, prefix_original)
            if other_horizon < horizon:
                return Expected(other, other_horizon, trimmed=False)
        return Expected(usd, horizon, trimmed=True)

    def uncached(self, price: Price) -> float:
        """USD for this request where nothing is cached."""
        return (self._sizes.trimmed * price.input + self._sizes.output * price.output) / _MILLION

    def _cost(self, price: Price, prompt: int, prefix: int) -> tuple[float, float]:
        """This turn, and this turn with the following ones: they read all of today's prompt from the cache and add as
        much as the conversation last grew."""
        caches = prompt >= self._settings.min_prefix
        read = price.input if price.cache_read is None or not caches else price.cache_read
        write = price.input if price.cache_write is None or not caches else price.cache_write
        answer = self._sizes.output * price.output
        prefix = min(prefix, prompt)
        now = prefix * read + (prompt - prefix) * write + answer
        growth = min(prompt, max(self._grown, self._sizes.output)) if self._warmth.deployment else self._sizes.output
        later = prompt * read + growth * write + answer
        return now / _MILLION, (now + (self._settings.horizon - 1) * later) / _MILLION
