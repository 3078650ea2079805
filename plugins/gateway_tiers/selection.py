"""The order in which deployments are to be tried: the tier, the best of it, and what stands in for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.api import RouteView, Tier
from gateway_tiers.candidates import Candidate
from gateway_tiers.forecast import Forecast
from gateway_tiers.wanted import Wanted

_TIERS: Final = tuple(Tier)


def _nearest(tier: Tier) -> tuple[Tier, ...]:
    """A tier, then the others from the nearest to the farthest; of two as near the higher one first."""
    return tuple(sorted(Tier, key=lambda other: (abs(other.rank - tier.rank), other.rank < tier.rank)))


_NEAREST: Final = MappingProxyType({tier: _nearest(tier) for tier in Tier})


class Selection(NamedTuple):
    """Candidates in order, never empty. `in_tier` is how many of the first one's tier can serve; `sticky` says why the
    session stays where it is, where that changed the order."""

    order: tuple[Candidate, ...]
    in_tier: int
    sticky: str | None = None

    @property
    def tier(self) -> Tier:
        return self.order[0].deployment.tier


def select(usable: Sequence[Candidate], wanted: Wanted, view: RouteView, forecast: Forecast) -> Selection:
    """`usable` may not be empty."""
    ranked = sorted(usable, key=_rank(view))
    tiers = {tier: [one for one in ranked if one.deployment.tier is tier] for tier in _TIERS}
    chosen = next(tier for tier in _NEAREST[wanted.tier] if tiers[tier])
    staying = _warm(usable, view)
    if staying is None:
        return _from(tiers, chosen)
    first, tier = tiers[chosen][0], staying.deployment.tier
    if staying is first or tier.rank < chosen.rank or (wanted.told and tier is not chosen):
        return _from(tiers, chosen)
    name = staying.deployment.name
    if tier is not chosen and wanted.settled.rank >= tier.rank:
        return _from(tiers, tier, staying, f"stays on {name}: the score is close to {tier}")
    if pays(staying, first, forecast):
        return _from(tiers, chosen)
    return _from(tiers, tier, staying, f"stays on {name}, which has the prompt cached")


def pays(staying: Candidate, going: Candidate, forecast: Forecast) -> bool:
    """Whether reading the prompt anew at another upstream is earned back over the turns that likely follow. Where a
    price is unknown it is not: a hop that may lose is not made."""
    stay = forecast.over_horizon(staying.deployment, warm=staying.warm, trimmed=staying.trimmed)
    go = forecast.over_horizon(going.deployment, warm=going.warm, trimmed=going.trimmed)
    return stay is not None and go is not None and go < stay


def _rank(view: RouteView) -> Callable[[Candidate], tuple[bool, bool, float, int]]:
    """Free ones first where wanted (else last, as a reserve), then by expected dollars with the unknown last, then by
    priority. Sorting is stable, so the file's order decides what is left."""
    prefer_free = view.routing.prefer_free

    def rank(candidate: Candidate) -> tuple[bool, bool, float, int]:
        price, usd = candidate.deployment.price, candidate.usd
        free = price is not None and price.free
        return free is not prefer_free, usd is None, usd or 0.0, candidate.deployment.priority

    return rank


def _warm(usable: Sequence[Candidate], view: RouteView) -> Candidate | None:
    """The candidate whose upstream has this session's prompt cached; the one used last before others of its model."""
    if view.warmth.deployment is None:
        return None
    warm = [one for one in usable if one.warm]
    return next((one for one in warm if one.deployment.name == view.warmth.deployment), warm[0] if warm else None)


def _from(
    tiers: Mapping[Tier, Sequence[Candidate]], tier: Tier, first: Candidate | None = None, sticky: str | None = None
) -> Selection:
    order = [candidate for near in _NEAREST[tier] for candidate in tiers[near]]
    if first is not None:
        order = [first, *[candidate for candidate in order if candidate is not first]]
    return Selection(tuple(order), len(tiers[tier]), sticky)
