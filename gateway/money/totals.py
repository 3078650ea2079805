"""Sums over recorded calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """What a number of calls came to. Dollars are sums of what is known; how many calls lack a known cost or a known
    saving is counted apart, since they are not 0. `calls` counts every record, the refused ones too."""

    calls: int
    completed: int
    cost_usd: float
    unknown_cost: int
    saved_routing_usd: float
    saved_context_usd: float
    saved_cache_usd: float
    baseline_usd: float
    unknown_savings: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int

    @property
    def saved_usd(self) -> float:
        """The savings of the calls whose savings are known in full."""
        return self.saved_routing_usd + self.saved_context_usd + self.saved_cache_usd
