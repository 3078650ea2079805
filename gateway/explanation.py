"""A decision as JSON values: for `POST /v1/explain` and `thriftgate explain`."""

from __future__ import annotations

from gateway import wire
from gateway.api import Json
from gateway.call import Call


def explanation(call: Call) -> Json:
    """What was decided for a call and why. Money in USD, sizes in tokens; `null` is unknown."""
    assert call.plan is not None  # noqa: S101  # the pipeline has decided
    assert call.complexity is not None  # noqa: S101  # as above
    plan, asked = call.plan, call.asked
    first = plan.deployments[0]
    removed = sum(edit.tokens_removed for edit in call.edits)
    return {
        "asked": {"model": asked.name, "kind": asked.kind, "compared_with": asked.price_model},
        "session": call.session,
        "complexity": {
            "score": call.complexity.score,
            "task_type": call.complexity.task_type,
            "confidence": call.complexity.confidence,
            "reason": call.complexity.reason,
            "factors": [
                {"name": f.name, "value": f.value, "maximum": f.maximum, "reason": f.reason}
                for f in call.complexity.factors
            ],
        },
        "prompt": {
            "tokens": call.sizes.original,
            "tokens_trimmed": removed,
            "tokens_sent": call.sizes.trimmed if plan.trimmed else call.sizes.original,
            "trimmed_by": wire.by_transform(call.edits),
        },
        "decision": {
            "deployment": first.name,
            "model": first.model,
            "tier": first.tier.value,
            "reason": plan.reason,
            "trimmed": call.sends_trimmed,
            "fallbacks": [d.name for d in plan.deployments[1:]],
        },
        "considered": [
            {
                "deployment": line.deployment,
                "tier": line.tier.value,
                "expected_usd": line.expected_usd,
                "skipped": line.skipped,
            }
            for line in plan.considered
        ],
    }
