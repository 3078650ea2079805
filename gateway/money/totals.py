"""Sums over recorded calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """What a number of calls came to. Dollars are sums of what is known, each cause of its own accord; how many calls
    lack a known cost or a known saving is counted apart, since they are not 0. `saved_usd` and `baseline_usd` are those
    of the calls whose saving is known in full. `calls` counts every record, the refused ones too."""

    calls: int
    completed: int
    cost_usd: float
    unknown_cost: int
    saved_routing_usd: float
    saved_context_usd: float
    saved_cache_usd: float
    saved_usd: float
    baseline_usd: float
    unknown_savings: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
