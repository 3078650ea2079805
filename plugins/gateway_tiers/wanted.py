"""Which tier a request should have, before it is known what can serve it."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.api import BudgetView, ChatRequest, Complexity, RouteView, Routing, Tier
from gateway_tiers.settings import TiersSettings

_TIERS: Final = tuple(Tier)


class Wanted(NamedTuple):
    """A tier and why. `told`: the caller named it, so nothing may talk him out of it. A warm session keeps a tier up to
    `settled`: the tier that a slightly higher score would want."""

    tier: Tier
    why: str
    settled: Tier
    told: bool = False


def wanted(request: ChatRequest, complexity: Complexity, view: RouteView, settings: TiersSettings) -> Wanted:
    asked = view.asked
    if request.hints.tier is not None:
        return _told(request.hints.tier, f"the caller asked for {request.hints.tier}")
    if asked.kind == "tier" and asked.tier is not None:
        return _told(asked.tier, f"the caller asked for {asked.tier}")
    if not request.hints.route or view.routing.rewrite == "never":
        return _told(view.routing.default_tier, f"not routed: {view.routing.default_tier} is the default")
    if complexity.force is not None:
        why = f"{complexity.task_type} always goes to {complexity.force}"
        return Wanted(complexity.force, why, settled=complexity.force)
    return _by_score(complexity, view, settings)


def _told(tier: Tier, why: str) -> Wanted:
    return Wanted(tier, why, settled=tier, told=True)


def _by_score(complexity: Complexity, view: RouteView, settings: TiersSettings) -> Wanted:
    routing, prompt, left = view.routing, view.sizes.trimmed, view.budget.left
    nearly_gone = left is not None and left < settings.budget_step_below
    shift = 0.0 if nearly_gone else budget_shift(view.budget, settings)
    tier = tier_for(complexity.score - shift, prompt, routing)
    settled = tier_for(complexity.score - shift + settings.hysteresis, prompt, routing, at_least=tier)
    score = f"score {complexity.score:.1f}"
    why = (
        f"{score}, less {shift:.1f} with {left:.0%} of the budget left, fits {tier}"
        if shift
        else f"{score} fits {tier}"
    )
    if complexity.confidence < settings.min_confidence and tier.rank < routing.default_tier.rank:
        tier = tier_for(0.0, prompt, routing, at_least=routing.default_tier)
        why = f"{score}, but the kind of task is not clear: {tier}"
    if nearly_gone and tier is not Tier.WEAK:
        # A prompt too long for the cheaper tier would gain nothing by being sent there.
        tier = tier_for(0.0, prompt, routing, at_least=Tier.at(tier.rank - 1))
        return Wanted(tier, f"{score}, one tier down with {left:.0%} of the budget left: {tier}", settled=tier)
    return Wanted(tier, why, settled=settled if settled.rank > tier.rank else tier)


def tier_for(score: float, prompt: int, routing: Routing, *, at_least: Tier = Tier.WEAK) -> Tier:
    """The lowest tier that takes the score and the prompt; the strong one where none does."""
    for tier in _TIERS[at_least.rank :]:
        limits = routing.limits.get(tier)
        if limits is None:
            return tier
        fits = limits.max_complexity is None or score <= limits.max_complexity
        if fits and (limits.max_context is None or prompt <= limits.max_context):
            return tier
    return Tier.STRONG


def budget_shift(budget: BudgetView, settings: TiersSettings) -> float:
    """Points by which a score counts less: none above the threshold, growing evenly to all of it at an empty budget."""
    below = settings.budget_shift_below
    if budget.left is None or budget.left >= below or below == 0:
        return 0.0
    return settings.budget_shift * (below - max(0.0, budget.left)) / below
