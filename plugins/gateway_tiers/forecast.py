"""What a request is expected to cost at a deployment, with what its upstream has likely cached.

Providers bill a repeated prefix at about a tenth, so the same request costs differently at the upstream that saw the
last turn and at any other. The formula is in docs/explanation/routing.md.
"""

from __future__ import annotations

from typing import Final

from gateway.api import Deployment, Price, RouteView
from gateway_tiers.settings import TiersSettings

_MILLION: Final = 1_000_000
_SLACK: Final = 0.01
"""Share by which two estimates of the same text may differ."""


Expected = tuple[float | None, bool, bool]
"""USD for this request with the better of the two bodies (`None`: the price is unknown), whether that is the trimmed
one, and whether the upstream has the session's last prompt cached."""


class Forecast:
    """Expected costs of one request. A hundred deployments are asked about within a fraction of a millisecond, so what
    does not depend on the deployment is worked out once."""

    def __init__(self, view: RouteView, settings: TiersSettings) -> None:
        warmth, sizes = view.warmth, view.sizes
        self._settings = settings
        self._warmth = warmth
        self._sizes = sizes
        self._output = sizes.output
        self._marked = view.marked
        self._marking = view.marking
        self._any_warm = warmth.deployment is not None and warmth.sent_tokens >= settings.min_prefix
        grown = max(0, sizes.original - warmth.original_tokens) if warmth.deployment else 0
        self._growth = max(grown, sizes.output)
        self._shorter = sizes.trimmed <= sizes.original
        self._prompt = min(sizes.trimmed, sizes.original)
        self._caches = self._prompt >= settings.min_prefix
        self._trimmed_prefix = self._original_prefix = 0
        if self._any_warm:
            self._find_prefixes(grown)

    def _find_prefixes(self, grown: int) -> None:
        """How much of each body's beginning a warm upstream has cached."""
        warmth, sizes = self._warmth, self._sizes
        # A message is cut when it enters the conversation, so what is cut now and was not cut in the last request must
        # lie in what came since. Where it cannot, an earlier part changes, and nothing behind the change is cached.
        cut_before = warmth.original_tokens - warmth.sent_tokens
        slack = _SLACK * sizes.original
        cut_now = sizes.original - sizes.trimmed
        self._trimmed_prefix = warmth.sent_tokens if cut_now - cut_before <= grown + slack else 0
        self._original_prefix = warmth.sent_tokens if cut_before <= slack else 0

    def expect(self, deployment: Deployment) -> Expected:
        price, caches = self._price(deployment)
        warmth = self._warmth
        served = self._any_warm and (deployment.name == warmth.deployment or deployment.model == warmth.model)
        if served and caches and self._is_fresh(deployment.provider):
            trimmed = self._prefers_trimmed(price)
            return None if price is None else self._now(price, warm=True, trimmed=trimmed), trimmed, True
        if price is None:
            return None, self._shorter, False
        # `_now` where nothing is cached, as it is nearly everywhere.
        write = price.input if price.cache_write is None or not self._caches else price.cache_write
        return (self._prompt * write + self._output * price.output) / _MILLION, self._shorter, False

    def over_horizon(self, deployment: Deployment, *, warm: bool, trimmed: bool) -> float | None:
        """USD for this request and those that likely follow in the session; `None` where the price is unknown."""
        price, _ = self._price(deployment)
        return None if price is None else self._over_horizon(price, warm=warm, trimmed=trimmed)

    def uncached(self, price: Price) -> float:
        """USD for this request where nothing is cached."""
        return (self._sizes.trimmed * price.input + self._sizes.output * price.output) / _MILLION

    def _price(self, deployment: Deployment) -> tuple[Price | None, bool]:
        """What a deployment bills, and whether it caches: Claude models do only what the body marks, or what
        the gateway will mark in it."""
        price = deployment.price
        if self._marked or "claude" not in deployment.model or deployment.name in self._marking:
            return price, True
        return price and Price(price.input, price.output), False

    def _is_fresh(self, provider: str) -> bool:
        """Whether the provider still has what it was sent."""
        settings = self._settings
        return self._warmth.age < settings.warm_seconds_by_provider.get(provider, settings.warm_seconds)

    def _prefers_trimmed(self, price: Price | None) -> bool:
        """Which body to send to an upstream that is warm. With the same prefix cached the shorter one is the cheaper;
        only an uneven cache makes it a question."""
        if self._original_prefix <= self._trimmed_prefix:
            return self._shorter
        if price is None:
            return False
        trimmed = self._over_horizon(price, warm=True, trimmed=True)
        return trimmed <= self._over_horizon(price, warm=True, trimmed=False)

    def _now(self, price: Price, *, warm: bool, trimmed: bool) -> float:
        prompt = self._sizes.trimmed if trimmed else self._sizes.original
        prefix = min(self._trimmed_prefix if trimmed else self._original_prefix, prompt) if warm else 0
        read, write = self._cache_prices(price, prompt)
        return (prefix * read + (prompt - prefix) * write + self._sizes.output * price.output) / _MILLION

    def _over_horizon(self, price: Price, *, warm: bool, trimmed: bool) -> float:
        """This turn and the following ones: each reads all of today's prompt from the cache and adds as much to it as
        the conversation last grew."""
        prompt = self._sizes.trimmed if trimmed else self._sizes.original
        read, write = self._cache_prices(price, prompt)
        later = (prompt * read + self._growth * write + self._sizes.output * price.output) / _MILLION
        return self._now(price, warm=warm, trimmed=trimmed) + (self._settings.horizon - 1) * later

    def _cache_prices(self, price: Price, prompt: int) -> tuple[float, float]:
        if prompt < self._settings.min_prefix:
            return price.input, price.input
        read = price.input if price.cache_read is None else price.cache_read
        return read, price.input if price.cache_write is None else price.cache_write
