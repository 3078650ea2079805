"""Chooses the tier, the deployment in it, and what stands in for it.

A pure function of the request, its complexity and the view the core gives: the same arguments give the same plan. The
rules and the formula of expected dollars are told in docs/explanation/routing.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from gateway.api import (
    ChatRequest,
    Complexity,
    Considered,
    Host,
    Plugin,
    RoutePlan,
    Router,
    RouteView,
)
from gateway_tiers.candidates import ABOVE, COOLING, Candidate, as_asked, candidates, relent, usable
from gateway_tiers.forecast import Forecast
from gateway_tiers.refusals import model_not_found, refuse
from gateway_tiers.selection import Selection, select
from gateway_tiers.settings import TiersSettings
from gateway_tiers.wanted import Wanted, wanted

__all__ = ["Tiers", "TiersSettings"]

_LONGEST_REASON: Final = 200


class Tiers(Plugin, Router):
    """Chooses the tier by the score, and in it the model that is expected to cost least."""

    Settings: ClassVar[type[TiersSettings]] = TiersSettings

    def __init__(self, host: Host, settings: TiersSettings) -> None:
        super().__init__(host, settings)
        self._settings = settings

    def route(self, request: ChatRequest, complexity: Complexity, view: RouteView) -> RoutePlan:
        forecast = Forecast(view, self._settings)
        if _only_as_asked(request, view):
            return _plan_as_asked(view, forecast)
        want = wanted(request, complexity, view, self._settings)
        pool = candidates(view, forecast)
        able = usable(pool)
        sure = bool(able)
        able = able or usable(relent(pool))
        if not able:
            refuse(view, pool)
        selection = select(able, want, view, forecast)
        doubt = None if sure else _doubt(pool, selection)
        return _plan(selection.order, pool, _reason(selection, want, doubt))


def _only_as_asked(request: ChatRequest, view: RouteView) -> bool:
    """Whether a model was named that nothing else may stand in for."""
    if view.asked.kind in {"auto", "tier"}:
        return False
    return not request.hints.route or view.routing.rewrite != "always"


def _plan_as_asked(view: RouteView, forecast: Forecast) -> RoutePlan:
    pool = as_asked(view, forecast)
    if not pool:
        model_not_found(view)
    able = usable(pool)
    if not able:
        refuse(view, pool)
    able.sort(key=lambda one: one.deployment.name in view.cooling)
    return _plan(able, pool, f"{view.asked.name} as asked")


def _plan(order: Sequence[Candidate], pool: Sequence[Candidate], reason: str) -> RoutePlan:
    serving = [one.deployment for one in order]
    passed_over: list[Candidate] = []
    if len(serving) < len(pool):
        chosen = {deployment.name for deployment in serving}
        passed_over = [one for one in pool if one.deployment.name not in chosen]
    return RoutePlan(
        deployments=tuple(serving),
        tier=order[0].deployment.tier,
        reason=_for_a_header(reason),
        trimmed=order[0].trimmed,
        considered=tuple(
            [
                Considered(deployment.name, deployment.tier, usd, skipped, trimmed)
                for deployment, usd, trimmed, _, skipped in (*order, *passed_over)
            ]
        ),
    )


def _doubt(pool: Sequence[Candidate], selection: Selection) -> str:
    """Why what serves is not what should, in words."""
    name = selection.order[0].deployment.name
    skipped = next((one.skipped or "" for one in pool if one.deployment.name == name), "")
    said = [words for words in (ABOVE, COOLING) if words in skipped]
    return f"nothing else can serve, so {name}, though {' and '.join(said)}"


def _reason(selection: Selection, want: Wanted, doubt: str | None) -> str:
    first = selection.order[0]
    name, tier, usd = first.deployment.name, selection.tier, first.usd
    cost = f"${usd:.2g}" if usd is not None else "price unknown"
    if doubt is not None:
        return f"{want.why}; {doubt} ({cost})"
    if selection.sticky is not None:
        return f"{want.why}; {selection.sticky} ({cost})"
    if tier is not want.tier:
        return f"{want.why}, but nothing there can serve; {name} of {tier} is the nearest ({cost})"
    if selection.in_tier == 1:
        return f"{want.why}; {name} is the one that can serve it ({cost})"
    free = first.deployment.price is not None and first.deployment.price.free
    best = "free" if free else "the cheapest" if usd is not None else "the first"
    return f"{want.why}; {name} is {best} of {selection.in_tier} that can serve it ({cost})"


def _for_a_header(reason: str) -> str:
    """One line of ASCII: names come from a configuration, and this goes into a response header."""
    line = reason if reason.isascii() else reason.encode("ascii", "replace").decode("ascii")
    line = " ".join(line.split())
    if not line.isprintable():
        line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."
