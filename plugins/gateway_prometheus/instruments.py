"""The metrics: their names, their labels, and what they say."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DURATIONS: Final = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
FIRST_TOKENS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60)
OVERHEADS: Final = (0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1)

KINDS: Final = ("input", "cached", "cache_write", "output", "reasoning")
"""The kinds of tokens, as `Usage` names them."""

Kind = TypeVar("Kind", Counter, Histogram)


class Series(Generic[Kind]):
    """A metric's time series by their labels. The library looks one up in several microseconds, under a lock and with
    every label made a string again; a call touches some twenty of them."""

    def __init__(self, metric: Kind) -> None:
        self._metric: Kind = metric
        self._children: dict[tuple[str, ...], Kind] = {}

    def labels(self, *values: str) -> Kind:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class Instruments:
    """One set of metrics in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, documentation: str, *labels: str) -> Series[Counter]:
            return Series(Counter(name, documentation, labels, namespace="thriftgate", registry=registry))

        def histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Series[Histogram]:
            return Series(Histogram(name, words, labels, namespace="thriftgate", buckets=buckets, registry=registry))

        self.requests = counter(
            "requests",
            "Calls that ended, by the tier and deployment that served last (none: nobody was asked).",
            *("tier", "deployment", "outcome", "stream"),
        )
        self.refusals = counter("refusals", "Calls the gateway itself refused, by error code.", "code")
        self.tokens = counter(
            "tokens",
            "Tokens of all upstream calls. input counts cached and cache_write too, output counts reasoning too.",
            *("deployment", "kind"),
        )
        self._tokens_of: dict[str, tuple[Counter, ...]] = {}
        self.usage_estimated = counter(
            "usage_estimated", "Upstream calls whose tokens are an estimate because none were reported.", "deployment"
        )
        self.tokens_trimmed = counter(
            "tokens_trimmed", "Prompt tokens cut before the upstream saw them (estimate).", "transform"
        )
        self.prompt_tokens = counter(
            "prompt_tokens", "Prompt tokens of answered calls before and after trimming.", "stage"
        )
        self.untrimmed = counter("untrimmed", "Trimmed prompts that were not sent, by reason.", "reason")
        self.cost = counter(
            "cost_usd",
            "Cost of all upstream calls whose price is known; see thriftgate_cost_unknown_total.",
            *("deployment", "tier"),
        )
        self.cost_unknown = counter(
            "cost_unknown", "Upstream calls that cost an unknown sum, for want of a price.", "deployment"
        )
        # A saving may be negative, and a counter must not go down (a fall reads as a restart): so there are two.
        # A gauge would add up wrongly over restarts and replicas.
        self.savings = counter(
            "savings_usd",
            "Saved against the model asked for and the untrimmed prompt, where a call saved."
            " The net saving is this less thriftgate_losses_usd_total.",
            "cause",
        )
        self.losses = counter(
            "losses_usd", "The same where a call cost more than what was asked for would have.", "cause"
        )
        self.savings_unknown = counter(
            "savings_unknown", "Answered calls whose saving is unknown, for want of a price.", "cause"
        )
        self.duration = histogram(
            "request_duration_seconds", "From the first byte in to the last byte out.", DURATIONS, "tier", "stream"
        )
        self.first_token = histogram(
            "time_to_first_token_seconds",
            "From the first byte in to the first token of the answer.",
            FIRST_TOKENS,
            "tier",
        )
        self.overhead = Histogram(
            "thriftgate_gateway_overhead_seconds",
            "The gateway's own time before the first upstream call.",
            buckets=OVERHEADS,
            registry=registry,
        )
        self.escalations = Counter(
            "thriftgate_escalations", "Calls that went one tier up after a try in a lower one.", registry=registry
        )
        self.retries = counter("retries", "Upstream calls that repeat one to the same deployment.", "deployment")
        self.recalls = Counter(
            "thriftgate_recalls", "Times a model asked for what had been left out of its prompt.", registry=registry
        )
        self.rejected = counter("answers_rejected", "Answers that a verifier did not accept.", "deployment")
        self.upstream_errors = counter(
            "upstream_errors", "Upstream calls that failed, by error.", "deployment", "error"
        )
        self.cooldowns = counter("cooldowns", "Times a deployment was sent to rest after failures.", "deployment")
        self.plugin_failures = counter(
            "plugin_failures", "Times a plugin failed and was passed over.", "plugin", "role"
        )
        self.config_reloads = counter("config_reloads", "Reloads of tiers.yaml, by result (ok or failed).", "result")
        self.build_info = Gauge("thriftgate_build_info", "Always 1.", ["version"], registry=registry)

    def tokens_of(self, deployment: str) -> tuple[Counter, ...]:
        """A deployment's counters of tokens, in the order of `KINDS`."""
        counters = self._tokens_of.get(deployment)
        if counters is None:
            counters = self._tokens_of[deployment] = tuple(self.tokens.labels(deployment, kind) for kind in KINDS)
        return counters
