"""The plan without a router: the model asked for, or the default tier."""

from __future__ import annotations

from gateway.api import Asked, BadRequest, Deployment, RoutePlan, RouteView, Tier, Unavailable


def faithful_plan(asked: Asked, view: RouteView) -> RoutePlan:
    """Deployments that serve what was asked, by priority.

    `auto` means the default tier; a tier without an active deployment gives way to the nearest one that has any.
    Raises `BadRequest` (404) for a concrete model that no active deployment serves, `Unavailable` when none is active.
    """
    if asked.kind in ("deployment", "known"):
        if not asked.deployments:
            raise BadRequest(
                f"No active deployment serves `{asked.name}`.", status=404, code="model_not_found", param="model"
            )
        return RoutePlan(deployments=asked.deployments, tier=asked.deployments[0].tier, reason=f"{asked.name} as asked")
    wanted = asked.tier or view.routing.default_tier
    for tier in _nearest_first(wanted):
        serving = sorted((d for d in view.deployments if d.tier is tier and not d.wildcard), key=_by_priority)
        if serving:
            why = (
                f"{wanted.value} tier"
                if tier is wanted
                else f"{wanted.value} has no active deployment; {tier.value} is nearest"
            )
            return RoutePlan(deployments=tuple(serving), tier=tier, reason=why)
    raise Unavailable("No deployment is active: set a provider's API key, see `thriftgate models`.", retry_after=None)


def _nearest_first(wanted: Tier) -> list[Tier]:
    """The wanted tier, then by distance, the better one first where two are as near."""
    return sorted(Tier, key=lambda tier: (abs(tier.rank - wanted.rank), -tier.rank))


def _by_priority(deployment: Deployment) -> int:
    return deployment.priority
