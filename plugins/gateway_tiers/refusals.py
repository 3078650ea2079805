"""What the caller is told where nothing can serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from gateway.api import BadRequest, BudgetExhausted, RouteView, Unavailable
from gateway_tiers.candidates import LACKS, NOT_FREE, WILDCARD, WINDOW, Candidate

_NAMED = 4
"""So many deployments are named in a message."""


def refuse(view: RouteView, pool: Sequence[Candidate]) -> NoReturn:
    """Raise the refusal that tells the caller what to change, the most specific one that holds."""
    pool = [one for one in pool if one.skipped != WILDCARD]
    if not pool:
        raise Unavailable(
            "No model is active. Set a provider's API key in the environment, or add a model to tiers.yaml.",
            code="no_active_model",
            retry_after=None,
        )
    if any(one.skipped == NOT_FREE for one in pool):
        name = f"`{view.budget.name}`" if view.budget.name else "of this caller"
        raise BudgetExhausted(f"The budget {name} is used up, and no free model can serve this request.")
    if any(_skipped_for(one, WINDOW) for one in pool):
        windows = [one.deployment.context_window or 0 for one in pool if _skipped_for(one, WINDOW)]
        raise BadRequest(
            f"The prompt has about {view.sizes.trimmed} tokens and the answer takes about {view.sizes.output}; the "
            f"largest context window that could serve it has {max(windows)}.{_table(pool)}",
            code="context_length_exceeded",
            param="messages",
        )
    if all(_skipped_for(one, LACKS) for one in pool):
        needs = ", ".join(sorted(view.needs))
        raise BadRequest(f"No active model can do what this request needs: {needs}.{_table(pool)}", code="unsupported")
    raise Unavailable(f"No deployment can serve this request now.{_table(pool)}")


def model_not_found(view: RouteView) -> NoReturn:
    """A model that has to be served as asked, and that no active deployment serves."""
    raise BadRequest(
        f"The model `{view.asked.name}` is not served here: no active deployment has it. Ask for `auto` to have the "
        "gateway choose, or add the model to tiers.yaml (GET /v1/models lists what is active).",
        status=404,
        code="model_not_found",
        param="model",
    )


def _skipped_for(candidate: Candidate, reason: str) -> bool:
    return candidate.skipped is not None and candidate.skipped.startswith(reason)


def _table(pool: Sequence[Candidate]) -> str:
    named = "; ".join(f"{one.deployment.name}: {one.skipped}" for one in pool[:_NAMED])
    more = f"; and {len(pool) - _NAMED} more" if len(pool) > _NAMED else ""
    return f" ({named}{more})"
