"""The `x-thriftgate-*` headers that say what was decided and what it cost."""

from __future__ import annotations

import re

from gateway.api import CallRecord, Complexity, Deployment, RoutePlan

_UNSAFE = re.compile(r"[^\x20-\x7e]+")
_LONGEST = 256


def decision_headers(
    deployment: Deployment, plan: RoutePlan, complexity: Complexity | None, tokens_trimmed: int | None
) -> dict[str, str]:
    """What is known before the body: which deployment answers, and why."""
    return _shown(
        model=deployment.name,
        tier=deployment.tier.value,
        complexity=None if complexity is None else f"{complexity.score:.1f}",
        reason=plan.reason,
        tokens_trimmed=tokens_trimmed,
    )


def money_headers(cost_usd: float | None, saved_usd: float | None) -> dict[str, str]:
    """What is known once the usage is; unknown sums are left out."""
    return _shown(cost_usd=_usd(cost_usd), saved_usd=_usd(saved_usd))


def record_headers(record: CallRecord) -> dict[str, str]:
    """All of them, of a call that is over."""
    known = record.tokens_before is not None and record.tokens_after is not None
    trimmed = max(0, (record.tokens_before or 0) - (record.tokens_after or 0)) if known else None
    return _shown(
        model=record.deployment,
        tier=None if record.tier is None else record.tier.value,
        complexity=None if record.complexity is None else f"{record.complexity.score:.1f}",
        reason=record.reason or None,
        tokens_trimmed=trimmed,
    ) | money_headers(record.cost_usd, record.savings.total)


def safe_value(text: str) -> str:
    """`text` as a header's value: printable ASCII on one line, bounded."""
    if len(text) <= _LONGEST and text.isascii() and text.isprintable():
        return text.strip()
    return _UNSAFE.sub(" ", text[: 4 * _LONGEST]).strip()[:_LONGEST]


def _shown(**values: str | int | None) -> dict[str, str]:
    return {
        f"x-thriftgate-{name.replace('_', '-')}": safe_value(str(value))
        for name, value in values.items()
        if value is not None
    }


def _usd(amount: float | None) -> str | None:
    """Fixed point, to a thousandth of a millionth: one token of a cheap model is far below a cent."""
    if amount is None:
        return None
    text = f"{amount:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
