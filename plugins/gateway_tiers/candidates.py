"""Which deployments can serve a request, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from gateway.api import Deployment, RouteView
from gateway_tiers.forecast import Forecast

COOLING: Final = "cooling down after failures"
ABOVE: Final = "dearer than the model asked for"
WINDOW: Final = "context window too small"
LACKS: Final = "cannot do"
NOT_FREE: Final = "not free, and the budget is used up"
UNPRICED: Final = "its price is unknown, so it may be"
WILDCARD: Final = "serves only what is asked for by name"
_TOLERANCE: Final = 1e-9


class Candidate(NamedTuple):
    """A deployment with what the request would cost there (see `Expected`); `skipped` says why it cannot serve it."""

    deployment: Deployment
    usd: float | None
    trimmed: bool
    warm: bool
    skipped: str | None = None


def candidates(view: RouteView, forecast: Forecast) -> list[Candidate]:
    """All deployments in the file's order, and those that serve just what was asked."""
    expect, against = forecast.expect, _Rules(view, forecast).against
    return [Candidate(one, *expect(one), against(one)) for one in _pool(view)]


def _pool(view: RouteView) -> Sequence[Deployment]:
    if not view.asked.deployments:
        return view.deployments
    resolved = {one.name: one for one in view.asked.deployments}
    active = {one.name for one in view.deployments}
    # A wildcard asked for by a model's name is there twice: as the pattern, and as what it means for this model.
    pool = [resolved.get(one.name, one) for one in view.deployments]
    return pool + [one for one in resolved.values() if one.name not in active]


class _Rules:
    """What this request demands of a deployment."""

    def __init__(self, view: RouteView, forecast: Forecast) -> None:
        asked = view.asked
        self._forecast = forecast
        self._needs = view.needs
        self._cooling = view.cooling
        self._free_only = view.budget.free_only
        self._tokens = view.sizes.trimmed + view.sizes.output
        self._asked = frozenset([one.name for one in asked.deployments])
        self._asked_tier = asked.tier
        self._has_ceiling = asked.kind in {"deployment", "known"}
        self._limit = None if asked.price is None else forecast.uncached(asked.price) * (1 + _TOLERANCE)

    def against(self, deployment: Deployment) -> str | None:
        """Why the deployment cannot or may not serve, `None` where it can."""
        name, window = deployment.name, deployment.context_window
        # An empty set of capabilities means that nothing is known of them.
        if self._needs and deployment.capabilities and not self._needs <= deployment.capabilities:
            return f"{LACKS} {', '.join(sorted(self._needs - deployment.capabilities))}"
        if window is not None and self._tokens > window:
            return f"{WINDOW}: {window} tokens for {self._tokens}"
        if self._free_only and not _free(deployment):
            return NOT_FREE
        if name.endswith("*") and name not in self._asked:  # `deployment.wildcard`, without the price of a property
            return WILDCARD
        above = self._above(deployment) if self._has_ceiling else None
        if name in self._cooling:
            return f"{above}; {COOLING}" if above else COOLING
        return above

    def _above(self, deployment: Deployment) -> str | None:
        tier, exactly = self._asked_tier, deployment.name in self._asked
        if self._limit is None:
            above = tier is not None and deployment.tier.rank > tier.rank and not exactly
            return f"{ABOVE} by its tier, as the price of that is unknown" if above else None
        if deployment.price is None:
            return None if exactly else f"{UNPRICED} {ABOVE}"
        return ABOVE if self._forecast.uncached(deployment.price) > self._limit else None


def _free(deployment: Deployment) -> bool:
    return deployment.price is not None and deployment.price.free


def as_asked(view: RouteView, forecast: Forecast) -> list[Candidate]:
    """Those that serve exactly what was asked. Nothing else may, so only the budget can rule one out."""
    return [
        Candidate(one, *forecast.expect(one), NOT_FREE if view.budget.free_only and not _free(one) else None)
        for one in view.asked.deployments
    ]


def relent(pool: Sequence[Candidate]) -> list[Candidate]:
    """What is left to try where nothing can serve without a doubt: the dearer ones, then those that cool down, then
    those that are both. A request that costs more than was asked for, or may fail, is better than none."""
    for doubts in ({ABOVE}, {COOLING}, {ABOVE, COOLING}):
        if any(_doubts(one) == doubts for one in pool):
            return [one._replace(skipped=None) if _doubts(one) == doubts else one for one in pool]
    return []


def _doubts(candidate: Candidate) -> set[str]:
    return {doubt for doubt in (ABOVE, COOLING) if candidate.skipped and doubt in candidate.skipped}


def usable(pool: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in pool if candidate.skipped is None]
