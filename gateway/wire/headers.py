"""The `x-thriftgate-*` headers that say what was decided and what it cost."""

from __future__ import annotations

import re

from gateway.api import CallRecord, Complexity, Deployment, RoutePlan

_UNSAFE = re.compile(r"[^\x20-\x7e]+")
_LONGEST = 256


def decision_headers(
    deployment: Deployment, plan: RoutePlan, complexity: Complexity | None, tokens: tuple[int, int] | None
) -> dict[str, str]:
    """What is known before the body: which deployment answers, and why. `tokens` are the prompt's before and after
    trimming."""
    return _shown(
        model=deployment.name,
        tier=deployment.tier.value,
        complexity=None if complexity is None else f"{complexity.score:.1f}",
        reason=plan.reason,
        **_tokens(tokens),
    )


def money_headers(cost_usd: float | None, saved_usd: float | None) -> dict[str, str]:
    """What is known once the usage is; unknown sums are left out."""
    return _shown(cost_usd=_usd(cost_usd), saved_usd=_usd(saved_usd))


def record_headers(record: CallRecord) -> dict[str, str]:
    """All of them, of a call that is over."""
    before, after = record.tokens_before, record.tokens_after
    return _shown(
        model=record.deployment,
        tier=None if record.tier is None else record.tier.value,
        complexity=None if record.complexity is None else f"{record.complexity.score:.1f}",
        reason=record.reason or None,
        **_tokens(None if before is None or after is None else (before, after)),
    ) | money_headers(record.cost_usd, record.savings.total)


def _tokens(tokens: tuple[int, int] | None) -> dict[str, int]:
    if tokens is None:
        return {}
    before, after = tokens
    return {"tokens_before": before, "tokens_after": after, "tokens_trimmed": max(0, before - after)}


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
