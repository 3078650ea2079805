"""What Prometheus reads, after real events."""

import logging
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from gateway.api import (
    Attempt,
    AttemptEnded,
    CallRecord,
    Cancelled,
    Completed,
    ConfigReloaded,
    Deployment,
    DeploymentCooling,
    Failed,
    PluginFailed,
    Refused,
    RequestEnded,
    RequestStarted,
    Savings,
    StateHealth,
    Tier,
    TierUpgraded,
    Untrimmed,
    Usage,
)
from gateway_prometheus import Prometheus, PrometheusSettings


def deployment(name, tier=Tier.WEAK, inactive=None):
    return Deployment(name=name, tier=tier, model="p/m", provider="p", upstream_model="m", inactive=inactive)


DEPLOYMENTS = (
    deployment("weak-1"),
    deployment("strong-1", Tier.STRONG, inactive="STRONG_KEY is not set"),
    deployment("openrouter/*", Tier.BASE),
)


@dataclass
class Host:
    """As much of a host as this plugin asks for."""

    deployments: tuple[Deployment, ...] = DEPLOYMENTS
    state: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(health=StateHealth()))
    log: logging.Logger = logging.getLogger("test")  # noqa: RUF009  # one logger for all is meant


def record(**fields):
    plain = {
        "id": "r",
        "started": 1.0,
        "duration": 1.5,
        "outcome": Completed("stop"),
        "caller": "ann",
        "session": "ann/s",
        "client": "curl",
        "dialect": "chat",
        "stream": False,
        "asked": "auto",
        "deployment": "weak-1",
        "tier": Tier.WEAK,
    }
    return CallRecord(**(plain | fields))


def attempt(name="weak-1", result="ok", tier=Tier.WEAK, **fields):
    return Attempt(deployment=name, tier=tier, result=result, seconds=1.0, **fields)


class Scrape:
    """The plugin behind a real HTTP server, and its exposition parsed."""

    def __init__(self, plugin, client):
        self.plugin, self.client = plugin, client

    async def hear(self, *events):
        for event in events:
            await self.plugin.on_event(event)

    async def samples(self):
        text = await (await self.client.get("/metrics")).text()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def value(self, name, **labels):
        return (await self.samples()).get((f"thriftgate_{name}", tuple(sorted(labels.items()))))


@pytest.fixture
async def scrape(aiohttp_client):
    plugin = Prometheus(Host(), PrometheusSettings())
    app = web.Application()
    app.add_routes(plugin.routes())
    return Scrape(plugin, await aiohttp_client(app))


async def test_a_call_from_start_to_end(scrape):
    usage = Usage(input=1000, output=50, cached=600, cache_write=100, reasoning=20)
    failed = attempt(result="rate_limit_exceeded", status=429, cost_usd=0.0)
    again = attempt(usage=usage, cost_usd=0.25, retry=True)
    done = record(
        stream=True,
        attempts=(failed, again),
        usage=usage,
        cost_usd=0.25,
        savings=Savings(routing=2.0, context=-0.5, cache=0.0),
        trimmed_by={"terminal": 300, "repeats": 20},
        time_to_first_token=0.4,
        overhead=0.002,
    )
    await scrape.hear(
        RequestStarted(at=1.0, id="r", caller="ann", session="s"),
        AttemptEnded(at=1.0, id="r", attempt=failed, will_retry=True),
        AttemptEnded(at=1.0, id="r", attempt=again, will_retry=False),
        RequestEnded(at=2.0, record=done),
        RequestEnded(at=3.0, record=done),
    )
    value = scrape.value
    assert await value("requests_total", tier="weak", deployment="weak-1", outcome="completed", stream="true") == 2
    kinds = {"input": 2000, "cached": 1200, "cache_write": 200, "output": 100, "reasoning": 40}
    for kind, tokens in kinds.items():
        assert await value("tokens_total", deployment="weak-1", kind=kind) == tokens
    assert await value("cost_usd_total", deployment="weak-1", tier="weak") == 0.5
    assert await value("cost_unknown_total", deployment="weak-1") is None
    assert await value("savings_usd_total", cause="routing") == 4
    assert await value("losses_usd_total", cause="context") == 1
    assert await value("savings_usd_total", cause="context") == 0
    assert await value("tokens_trimmed_total", transform="terminal") == 600
    assert await value("retries_total", deployment="weak-1") == 2
    assert await value("upstream_errors_total", deployment="weak-1", error="rate_limit_exceeded") == 2
    assert await value("usage_estimated_total", deployment="weak-1") is None
    assert await value("request_duration_seconds_sum", tier="weak", stream="true") == 3
    assert await value("time_to_first_token_seconds_bucket", tier="weak", le="0.5") == 2
    assert await value("gateway_overhead_seconds_bucket", le="0.0015") == 0
    assert await value("gateway_overhead_seconds_bucket", le="0.002") == 2


async def test_what_is_unknown_is_counted_as_unknown_and_never_as_zero(scrape):
    usage = Usage(input=10, output=5, estimated=True)
    done = record(attempts=(attempt(usage=usage),), usage=usage, savings=Savings(context=0.5))
    await scrape.hear(RequestEnded(at=1.0, record=done))
    assert await scrape.value("cost_unknown_total", deployment="weak-1") == 1
    assert await scrape.value("cost_usd_total", deployment="weak-1", tier="weak") is None
    assert await scrape.value("savings_unknown_total", cause="routing") == 1
    assert await scrape.value("savings_unknown_total", cause="context") is None
    assert await scrape.value("savings_usd_total", cause="routing") is None
    assert await scrape.value("usage_estimated_total", deployment="weak-1") == 1


async def test_a_refused_call_asked_nobody(scrape):
    refused = record(outcome=Refused(status=429, code="insufficient_quota", message="no"), deployment=None, tier=None)
    await scrape.hear(RequestEnded(at=1.0, record=refused))
    labels = {"tier": "none", "deployment": "none", "outcome": "refused", "stream": "false"}
    assert await scrape.value("requests_total", **labels) == 1
    assert await scrape.value("refusals_total", code="insufficient_quota") == 1
    assert await scrape.value("savings_unknown_total", cause="routing") is None
    assert await scrape.value("request_duration_seconds_count", tier="none", stream="false") is None


async def test_other_ends_and_other_events(scrape):
    broken = (attempt(result="upstream_reset", status=200), attempt("strong-1", "rejected", Tier.STRONG, status=200))
    gone = Failed(502, "upstream_reset", "gone", committed=True)
    await scrape.hear(
        RequestEnded(at=1.0, record=record(outcome=gone, attempts=broken)),
        RequestEnded(at=1.0, record=record(outcome=Cancelled("streaming"), attempts=(attempt(result="aborted"),))),
        TierUpgraded(at=1.0, id="r", reason="empty answer"),
        DeploymentCooling(at=1.0, deployment="weak-1", seconds=30.0, reason="429"),
        PluginFailed(at=1.0, plugin="gateway_reduce", role="optimizer", error="ValueError"),
        Untrimmed(at=1.0, id="r", reason="json"),
        Untrimmed(at=1.0, id="r", reason="nobody's"),
        ConfigReloaded(at=1.0, problems=()),
        ConfigReloaded(at=1.0, problems=("tiers.yaml:1:1",)),
    )
    samples = await scrape.samples()
    outcomes = {dict(labels)["outcome"] for name, labels in samples if name == "thriftgate_requests_total"}
    assert outcomes == {"failed", "cancelled"}
    errors = {labels: value for (name, labels), value in samples.items() if name == "thriftgate_upstream_errors_total"}
    assert errors == {(("deployment", "weak-1"), ("error", "upstream_reset")): 1}
    assert await scrape.value("answers_rejected_total", deployment="strong-1") == 1
    assert await scrape.value("escalations_total") == 1
    assert await scrape.value("cooldowns_total", deployment="weak-1") == 1
    assert await scrape.value("plugin_failures_total", plugin="gateway_reduce", role="optimizer") == 1
    assert await scrape.value("untrimmed_total", reason="json") == 1
    assert await scrape.value("untrimmed_total", reason="other") == 1
    assert await scrape.value("config_reloads_total", result="ok") == 1
    assert await scrape.value("config_reloads_total", result="failed") == 1


async def test_deployments_are_shown_as_they_are_now(scrape):
    assert await scrape.value("deployment_active", deployment="weak-1") == 1
    assert await scrape.value("deployment_active", deployment="strong-1") == 0
    assert await scrape.value("inactive_deployments") == 1
    scrape.plugin.host.deployments = (deployment("strong-1"),)
    assert await scrape.value("deployment_active", deployment="strong-1") == 1
    assert await scrape.value("deployment_active", deployment="weak-1") is None
    assert await scrape.value("inactive_deployments") == 0


async def test_the_store_that_requests_share_is_shown_as_it_is_now(scrape):
    assert await scrape.value("state_away") == 0
    scrape.plugin.host.state.health = StateHealth(away=True, outages=2, lost=70)
    assert await scrape.value("state_away") == 1
    assert await scrape.value("state_outages_total") == 2
    assert await scrape.value("state_lost_total") == 70


async def test_a_model_behind_a_wildcard_counts_under_the_wildcard(scrape):
    name = "openrouter/some/model"
    await scrape.hear(RequestEnded(at=1.0, record=record(deployment=name, attempts=(attempt(name, cost_usd=1.0),))))
    assert await scrape.value("cost_usd_total", deployment="openrouter/*", tier="weak") == 1


HOSTILE = ['a"} 1\nfake_metric 7 #', "\\", "", "x" * 5000, "é\u2028", "\ud800", "weak-1 ", "*", "\x00"]
hostile = st.sampled_from(HOSTILE) | st.text('ab"\n\\\ud800', max_size=5)
odd_numbers = st.sampled_from([float("nan"), float("inf"), -1.0, 0.0, 1.5])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(hostile, hostile, odd_numbers, st.integers(-5, 999)), min_size=1, max_size=4))
async def test_no_text_or_number_from_outside_opens_a_series_or_stops_the_counting(odd):
    plugin = Prometheus(Host(), PrometheusSettings())
    for name, code, number, status in odd:
        tried = attempt(name, code, cost_usd=number, status=status, usage=Usage(input=-1, output=2))
        money = Savings(routing=number, context=None, cache=-number)
        done = record(
            deployment=name, attempts=(tried,), usage=tried.usage, savings=money, trimmed_by={name: 5, code: -3}
        )
        refused = record(outcome=Refused(status=status, code=code, message=name))
        for event in (
            RequestEnded(at=1.0, record=done),
            RequestEnded(at=1.0, record=refused),
            RequestEnded(at=1.0, record=replace(done, outcome=Failed(status, code, name))),
            DeploymentCooling(at=1.0, deployment=name, seconds=number, reason=code),
            PluginFailed(at=1.0, plugin=name, role=code, error=code),
        ):
            await plugin.on_event(event)
    seen = {}
    for metric in plugin._registry.collect():
        for sample in metric.samples:
            for label, value in sample.labels.items():
                seen.setdefault(label, set()).add(value)
    assert seen["deployment"] <= {"weak-1", "strong-1", "openrouter/*", "other"}
    assert seen["code"] == {"other"}
    assert seen["role"] == {"other"}
    assert all(error == "other" or error.startswith("status_") for error in seen.get("error", ()))
    for value in seen["plugin"] | seen["transform"]:
        assert value.encode().isascii() or value.isprintable()
        assert "\n" not in value
        assert len(value) <= 120
    response = await plugin._show(make_mocked_request("GET", "/metrics"))
    names = {family.name for family in text_string_to_metric_families(response.body.decode())}
    assert "fake_metric" not in names


async def test_names_from_plugins_are_bounded(scrape):
    for number in range(300):
        await scrape.hear(
            PluginFailed(at=1.0, plugin=f"plugin-{number}", role="guard", error="E"),
            RequestEnded(at=1.0, record=record(trimmed_by={f"transform-{number}": 1})),
        )
    samples = await scrape.samples()
    for metric, label in (("plugin_failures_total", "plugin"), ("tokens_trimmed_total", "transform")):
        values = {dict(labels)[label]: value for (name, labels), value in samples.items() if name.endswith(metric)}
        assert len(values) == 51
        assert values["other"] == 250
        assert values[f"{label}-0"] == 1


async def test_both_formats_are_valid_and_only_one_tells_creation_times(scrape):
    await scrape.hear(RequestEnded(at=1.0, record=record()))
    plain = await scrape.client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    text = await plain.text()
    assert "_created" not in text
    assert "thriftgate_requests_total{" in text
    assert "process_resident_memory_bytes" in text
    assert "thriftgate_build_info{version=" in text
    opened = await scrape.client.get("/metrics", headers={"accept": "application/openmetrics-text;version=abc"})
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in parse_open_metrics(await opened.text())}
    assert {"thriftgate_requests", "thriftgate_cost_usd", "thriftgate_gateway_overhead_seconds"} >= {
        "thriftgate_requests"
    }
    assert "thriftgate_requests" in families


async def test_instances_do_not_share_a_registry():
    one, two = (Prometheus(Host(), PrometheusSettings()) for _ in range(2))
    await one.on_event(TierUpgraded(at=1.0, id="r", reason="x"))
    assert one._registry.get_sample_value("thriftgate_escalations_total") == 1
    assert two._registry.get_sample_value("thriftgate_escalations_total") == 0


async def test_the_path_is_a_setting():
    plugin = Prometheus(Host(), PrometheusSettings(path="/internal/metrics"))
    assert [(route.method, route.path) for route in plugin.routes()] == [("GET", "/internal/metrics")]
    for wrong in ("metrics", "", "/{any}"):
        with pytest.raises(ValidationError):
            PrometheusSettings(path=wrong)
