"""`GET /metrics`: what the gateway does and what it costs, for Prometheus.

Counted is what is on record: each call's `CallRecord`, when the call has ended. Attempts are read from there too and
not from `AttemptEnded`, because only the record knows that a stream broke off after it had begun well.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from pydantic import Field

from gateway.api import (
    Attempt,
    CallRecord,
    ConfigReloaded,
    Deployment,
    DeploymentCooling,
    Event,
    Host,
    Listener,
    Plugin,
    PluginFailed,
    Refused,
    RequestEnded,
    Settings,
    StateHealth,
    Surface,
    TierUpgraded,
    Untrimmed,
)
from gateway_prometheus import labels
from gateway_prometheus.instruments import Instruments
from gateway_prometheus.labels import NONE, DeploymentNames, Names

__all__ = ["Prometheus", "PrometheusSettings"]

_OPEN_METRICS: Final = "application/openmetrics-text"
_NOT_ERRORS: Final = ("ok", "rejected", "aborted")


class PrometheusSettings(Settings):
    path: str = Field("/metrics", pattern=r"^/[A-Za-z0-9._~/-]*$", description="where the metrics are served")


class Prometheus(Plugin, Listener, Surface):
    """Counts what happens and shows it to Prometheus at /metrics."""

    Settings: ClassVar[type[Settings]] = PrometheusSettings
    events = (RequestEnded, TierUpgraded, Untrimmed, DeploymentCooling, PluginFailed, ConfigReloaded)

    def __init__(self, host: Host, settings: PrometheusSettings) -> None:
        super().__init__(host, settings)
        self._registry = CollectorRegistry()
        self._instruments = Instruments(self._registry)
        self._transforms = Names()
        self._plugins = Names()
        self._configured: tuple[Deployment, ...] = ()
        self._deployments = DeploymentNames(())
        self._registry.register(_Deployments(lambda: host.deployments))
        self._registry.register(_State(lambda: host.state.health))
        ProcessCollector(registry=self._registry)
        self._instruments.build_info.labels(_version()).set(1)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [web.get(self.settings.path, self._show)]

    async def on_event(self, event: Event) -> None:
        match event:
            case RequestEnded(record=record):
                self._count(record)
            case TierUpgraded():
                self._instruments.escalations.inc()
            case Untrimmed(reason=reason):
                self._instruments.untrimmed.labels(labels.one_of(labels.UNTRIMMED, reason)).inc()
            case DeploymentCooling(deployment=name):
                self._instruments.cooldowns.labels(self._names().label(name)).inc()
            case PluginFailed(plugin=plugin, role=role):
                failed = self._instruments.plugin_failures
                failed.labels(self._plugins.label(plugin), labels.one_of(labels.ROLES, role)).inc()
            case ConfigReloaded(problems=problems):
                self._instruments.config_reloads.labels("failed" if problems else "ok").inc()
            case _:
                pass

    async def _show(self, request: web.Request) -> web.Response:
        """In a thread: some hundred series take milliseconds, which the requests in flight need not wait for."""
        if _OPEN_METRICS in request.headers.get("accept", ""):
            text = await asyncio.to_thread(openmetrics.generate_latest, self._registry)
            return web.Response(body=text, headers={"content-type": openmetrics.CONTENT_TYPE_LATEST})
        text = await asyncio.to_thread(generate_latest, _WithoutCreated(self._registry))
        return web.Response(body=text, headers={"content-type": CONTENT_TYPE_LATEST})

    def _names(self) -> DeploymentNames:
        configured = self.host.deployments
        if configured is not self._configured:
            self._configured, self._deployments = configured, DeploymentNames(configured)
        return self._deployments

    def _count(self, record: CallRecord) -> None:
        names, into = self._names(), self._instruments
        tier, stream = labels.TIERS[record.tier] if record.tier else NONE, "true" if record.stream else "false"
        outcome = labels.one_of(labels.OUTCOMES, record.outcome.kind)
        into.requests.labels(tier, names.label(record.deployment), outcome, stream).inc()
        if isinstance(record.outcome, Refused):
            into.refusals.labels(labels.one_of(labels.REFUSALS, record.outcome.code)).inc()
            return
        into.duration.labels(tier, stream).observe(record.duration)
        if record.time_to_first_token is not None:
            into.first_token.labels(tier).observe(record.time_to_first_token)
        if record.overhead is not None:
            into.overhead.observe(record.overhead)
        if record.recalls:
            into.recalls.inc(record.recalls)
        self._count_prompt(record)
        for attempt in record.attempts:
            self._count_attempt(attempt, names.label(attempt.deployment))
        if record.usage is not None:
            self._count_savings(record)

    def _count_prompt(self, record: CallRecord) -> None:
        into = self._instruments
        for transform, tokens in record.trimmed_by.items():
            _add(into.tokens_trimmed.labels(self._transforms.label(transform)), tokens)
        for stage, size in (("before", record.tokens_before), ("after", record.tokens_after)):
            if size is not None:
                _add(into.prompt_tokens.labels(stage), size)

    def _count_attempt(self, attempt: Attempt, deployment: str) -> None:
        into = self._instruments
        if attempt.retry:
            into.retries.labels(deployment).inc()
        if attempt.result == "rejected":
            into.rejected.labels(deployment).inc()
        if attempt.result not in _NOT_ERRORS:
            into.upstream_errors.labels(deployment, labels.upstream_error(attempt.result, attempt.status)).inc()
        if attempt.cost_usd is None:
            into.cost_unknown.labels(deployment).inc()
        else:
            _add(into.cost.labels(deployment, labels.TIERS[attempt.tier]), attempt.cost_usd)
        usage = attempt.usage
        if usage is None:
            return
        if usage.estimated:
            into.usage_estimated.labels(deployment).inc()
        amounts = (usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning)
        for counter, amount in zip(into.tokens_of(deployment), amounts, strict=True):
            if amount:
                _add(counter, amount)

    def _count_savings(self, record: CallRecord) -> None:
        into, savings = self._instruments, record.savings
        for cause, amount in (("routing", savings.routing), ("context", savings.context), ("cache", savings.cache)):
            if amount is None:
                into.savings_unknown.labels(cause).inc()
                continue
            saved, lost = into.savings.labels(cause), into.losses.labels(cause)  # both are shown from the first call on
            if amount > 0:
                _add(saved, amount)
            else:
                _add(lost, -amount)


class _Deployments(Collector):
    """Which deployments can serve, read when asked: a reload changes it, and a removed one is gone."""

    def __init__(self, deployments: Callable[[], Sequence[Deployment]]) -> None:
        self._deployments = deployments

    def describe(self) -> Iterable[Metric]:
        return [self._active(), self._inactive()]

    def collect(self) -> Iterable[Metric]:
        configured = self._deployments()
        active, names = self._active(), DeploymentNames(configured)
        for deployment in configured:
            active.add_metric([names.label(deployment.name)], 0 if deployment.inactive else 1)
        inactive = self._inactive()
        inactive.add_metric([], sum(1 for deployment in configured if deployment.inactive))
        return [active, inactive]

    def _active(self) -> GaugeMetricFamily:
        words = "1 where a configured deployment can serve, 0 where it cannot (for example: its key is not set)."
        return GaugeMetricFamily("thriftgate_deployment_active", words, labels=["deployment"])

    def _inactive(self) -> GaugeMetricFamily:
        return GaugeMetricFamily("thriftgate_inactive_deployments", "How many configured deployments cannot serve.")


class _State(Collector):
    """How the store that requests share does, read when asked: while it is away each request may lose a few operations,
    and none should publish that."""

    def __init__(self, health: Callable[[], StateHealth]) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        return self._of(StateHealth())

    def collect(self) -> Iterable[Metric]:
        return self._of(self._health())

    def _of(self, health: StateHealth) -> Iterable[Metric]:
        away = "1 while the store of sessions and of what is left out of prompts gives no answer."
        lost = "Operations of that store that got no answer or were refused."
        return [
            GaugeMetricFamily("thriftgate_state_away", away, value=health.away),
            CounterMetricFamily("thriftgate_state_outages", "How often that store went away.", value=health.outages),
            CounterMetricFamily("thriftgate_state_lost", lost, value=health.lost),
        ]


class _WithoutCreated(Collector):
    """The text format has no place for creation times, so the library shows them as gauges of their own, which would
    double the number of series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _add(counter: Counter, amount: float) -> None:
    """Counters take neither a negative nor a nonsensical number, and no such number may stop the counting."""
    if 0 < amount < math.inf:
        counter.inc(amount)


def _version() -> str:
    try:
        return version("thriftgate")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
