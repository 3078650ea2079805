"""Which deployments can serve a request, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.api import Deployment, RouteView
from gateway_tiers.forecast import Expected, Forecast

COOLING: Final = "cooling down after failures"
ABOVE: Final = "dearer than the model asked for"
WINDOW: Final = "context window too small"
LACKS: Final = "cannot do"
NOT_FREE: Final = "not free, and the budget is used up"
UNPRICED: Final = "its price is unknown, so it may be"
WILDCARD: Final = "serves only what is asked for by name"
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment with what the request would cost there; `skipped` says why it cannot serve it."""

    deployment: Deployment
    expected: Expected
    skipped: str | None = None


def candidates(view: RouteView, forecast: Forecast) -> list[Candidate]:
    """All deployments in the file's order, and those that serve just what was asked."""
    resolved = {one.name: one for one in view.asked.deployments}
    active = {one.name for one in view.deployments}
    # A wildcard asked for by a model's name is there twice: as the pattern, and as what it means for this model.
    pool = [resolved.get(one.name, one) for one in view.deployments]
    pool += [one for one in resolved.values() if one.name not in active]
    found = []
    for deployment in pool:
        reason = _cannot(deployment, view)
        if reason is None and deployment.wildcard and deployment.name not in resolved:
            reason = WILDCARD
        if reason in (None, COOLING) and (above := _above(deployment, view, forecast)):
            reason = f"{above}; {reason}" if reason else above
        found.append(Candidate(deployment, forecast.expect(deployment), reason))
    return found


def _cannot(deployment: Deployment, view: RouteView) -> str | None:
    # An empty set of capabilities means that nothing is known of them.
    missing = view.needs - deployment.capabilities if deployment.capabilities else frozenset()
    if missing:
        return f"{LACKS} {', '.join(sorted(missing))}"
    window = deployment.context_window
    need = view.sizes.trimmed + view.sizes.output
    if window is not None and need > window:
        return f"{WINDOW}: {window} tokens for {need}"
    if view.budget.free_only and not _free(deployment):
        return NOT_FREE
    return COOLING if deployment.name in view.cooling else None


def _free(deployment: Deployment) -> bool:
    return deployment.price is not None and deployment.price.free


def _above(deployment: Deployment, view: RouteView, forecast: Forecast) -> str | None:
    asked = view.asked
    if asked.kind not in {"deployment", "known"}:
        return None
    exactly = any(one.name == deployment.name for one in asked.deployments)
    if asked.price is None:
        above = asked.tier is not None and deployment.tier.rank > asked.tier.rank and not exactly
        return f"{ABOVE} by its tier, as the price of that is unknown" if above else None
    if deployment.price is None:
        return None if exactly else f"{UNPRICED} {ABOVE}"
    limit = forecast.uncached(asked.price) * (1 + _TOLERANCE)
    return ABOVE if forecast.uncached(deployment.price) > limit else None


def as_asked(view: RouteView, forecast: Forecast) -> list[Candidate]:
    """Those that serve exactly what was asked. Nothing else may, so only the budget can rule one out."""
    return [
        Candidate(one, forecast.expect(one), NOT_FREE if view.budget.free_only and not _free(one) else None)
        for one in view.asked.deployments
    ]


def relent(pool: Sequence[Candidate]) -> list[Candidate]:
    """What is left to try where nothing can serve without a doubt: the dearer ones, then those that cool down, then
    those that are both. A request that costs more than was asked for, or may fail, is better than none."""
    for doubts in ({ABOVE}, {COOLING}, {ABOVE, COOLING}):
        if any(_doubts(one) == doubts for one in pool):
            return [replace(one, skipped=None) if _doubts(one) == doubts else one for one in pool]
    return []


def _doubts(candidate: Candidate) -> set[str]:
    return {doubt for doubt in (ABOVE, COOLING) if candidate.skipped and doubt in candidate.skipped}


def usable(pool: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in pool if candidate.skipped is None]
