"""A valid file to the values that the gateway works with."""

import hashlib
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from gateway.api import Capability, Price, Tier, TierLimits
from gateway.config import Budget, Config, Problem, digest, find, load, shipped

Load = Callable[..., Config]


def test_the_smallest_file_has_all_the_defaults(config: Load) -> None:
    loaded = config()
    server = loaded.server
    assert (server.host, server.port, server.max_body_mb, server.max_body_bytes) == ("127.0.0.1", 4000, 32, 33554432)
    assert (server.request_timeout, server.connect_timeout, server.max_attempts) == (600, 10, 4)
    assert (loaded.state_url, loaded.ledger_url) == ("memory://", "sqlite:///thriftgate.db")
    assert (loaded.plugins, loaded.plugin_path, loaded.max_escalations) == ((), Path("plugins"), 2)
    assert (loaded.keys, loaded.needs_key, loaded.budgets, loaded.warnings) == ((), False, (), ())
    [deployment] = loaded.deployments
    assert (deployment.provider, deployment.upstream_model, deployment.api_key) == ("openai", "gpt-6.1-sol", "k")
    assert (deployment.price, deployment.price_source, deployment.context_window) == (None, "unknown", None)
    assert deployment.inactive is None


def test_factors_and_task_types_default_to_the_shipped_ones(config: Load) -> None:
    routing, standard = config().routing, load(shipped(), {}).routing
    assert routing.task_types == standard.task_types
    assert routing.force_strong_for == standard.force_strong_for
    assert routing.factors == standard.factors
    assert routing.baseline is None


def test_own_factors_and_task_types_replace_the_shipped_ones(config: Load) -> None:
    text = r"routing: {task_types: {x: {points: 2, patterns: ['a\${KEY}']}}, factors: {past_failures: {max: 0.5}}}"
    routing, standard = config(text).routing, load(shipped(), {}).routing
    assert [(one.name, one.points, one.patterns) for one in routing.task_types] == [("x", 2, ("a\\${KEY}",))]
    assert routing.force_strong_for == ()
    assert routing.factors == {**standard.factors, "past_failures": {"max": 0.5}}


def test_everything_that_a_file_can_say_arrives(config: Load) -> None:
    loaded = config(
        """
server: {host: "::1", port: 1, max_body_mb: 0.5, request_timeout: 1, connect_timeout: 2, first_token_timeout: 3,
         idle_timeout: 4, max_attempts: 5, drain_seconds: 0, master_key: "${MASTER}"}
tiers:
  weak:
    max_complexity: 2
    max_context: 1000
    models:
      - {name: "any/*", model: "openrouter/*", api_base: "${BASE:-http://localhost:1/v1}", priority: 3,
         price: {input: 1, output: 2.5, cache_read: 0}, context_window: 5, max_output: 6, transport: sdk,
         capabilities: [tools, vision], standby: true}
routing: {mode: observe, rewrite: never, default_tier: weak, prefer_free: false, baseline: openai/gpt-6-sol,
          escalation: {max: 0}, force_strong_for: [planning]}
budgets: {default: {limit_usd: 5, period: day}, ci: {limit_usd: 0, period: total, on_exhausted: free_only}}
keys:
  - {name: ci, key: "${CI}", budget: ci}
  - {name: ops, key: "sha256:ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890", admin: true}
ledger: {url: "sqlite:////var/lib/l.db?synchronous=full"}
plugin_path: /opt/plugins
""",
        MASTER="m",
        CI="secret",
    )
    server = loaded.server
    assert (server.host, server.port, server.max_body_bytes, server.request_timeout) == ("::1", 1, 524288, 1)
    assert (server.connect_timeout, server.first_token_timeout, server.idle_timeout) == (2, 3, 4)
    assert (server.max_attempts, server.drain_seconds) == (5, 0)
    [deployment] = loaded.deployments
    assert (deployment.tier, deployment.wildcard, deployment.upstream_model) == (Tier.WEAK, True, "*")
    assert (deployment.api_base, deployment.priority) == ("http://localhost:1/v1", 3)
    assert deployment.price == Price(1, 2.5, 0, None)
    assert (deployment.price_source, deployment.transport, deployment.standby) == ("tiers.yaml", "sdk", True)
    assert (deployment.context_window, deployment.max_output) == (5, 6)
    assert deployment.capabilities == {Capability.TOOLS, Capability.VISION}
    routing = loaded.routing
    assert (routing.mode, routing.rewrite, routing.default_tier) == ("observe", "never", Tier.WEAK)
    assert (routing.prefer_free, routing.baseline, loaded.max_escalations) == (False, "openai/gpt-6-sol", 0)
    assert routing.force_strong_for == ("planning",)
    assert dict(routing.limits) == {
        Tier.WEAK: TierLimits(2, 1000),
        Tier.BASE: TierLimits(8, None),
        Tier.STRONG: TierLimits(10, None),
    }
    assert loaded.budgets == (Budget("default", 5, "day", "refuse"), Budget("ci", 0, "total", "free_only"))
    assert [(key.name, key.budget, key.admin) for key in loaded.keys] == [
        ("master", None, True),
        ("ci", "ci", False),
        ("ops", None, True),
    ]
    assert (loaded.ledger_url, loaded.plugin_path) == ("sqlite:////var/lib/l.db?synchronous=full", Path("/opt/plugins"))


def test_a_port_may_come_from_the_environment(config: Load) -> None:
    text = "server: {port: '${PORT:-4000}'}"
    assert config(text, PORT="4100").server.port == 4100
    assert config(text).server.port == 4000


def test_keys_are_kept_as_digests_only(config: Load) -> None:
    loaded = config("keys: [{name: a, key: '${A}'}]\nserver: {master_key: '${M}'}", A="secret-a", M="secret-m")
    master, first = loaded.keys
    assert first.sha256 == hashlib.sha256(b"secret-a").hexdigest() == digest("secret-a")
    assert first.matches("secret-a")
    assert not first.matches("secret-m")
    assert master.matches("secret-m")
    assert loaded.needs_key
    assert "secret" not in repr(loaded)
    assert "secret" not in repr(loaded.source)


def test_a_digest_in_the_file_is_the_digest_of_the_key(config: Load) -> None:
    [key] = config(f"keys: [{{name: a, key: 'sha256:{digest('x').upper()}'}}]").keys
    assert key.matches("x")
    assert not key.matches(f"sha256:{digest('x')}")


def test_a_digest_in_the_environment_is_a_key_like_any_other(config: Load) -> None:
    text = f"sha256:{digest('x')}"
    [key] = config("keys: [{name: a, key: '${A}'}]", A=text).keys
    assert key.matches(text)
    assert not key.matches("x")


@pytest.mark.parametrize("presented", ["", "ü", "\ud800", "\0"])
def test_no_presented_key_upsets_the_comparison(config: Load, presented: str) -> None:
    [key] = config("keys: [{name: a, key: '${A}'}]", A="secret").keys
    assert not key.matches(presented)


def test_one_unset_key_is_inactive_and_a_warning(config: Load) -> None:
    loaded = config("keys: [{name: a, key: '${A}'}, {name: b, key: '${B}'}]", A="x", B=" ")
    assert [key.inactive for key in loaded.keys] == [None, "B is not set"]
    assert not loaded.keys[1].matches("")
    assert not loaded.keys[1].matches("${B}")
    [warning] = loaded.warnings
    assert (warning.severity, warning.message) == ("warning", "B is not set, so this key is inactive")
    assert (warning.line, warning.column) == (1, 47)


@pytest.mark.parametrize(
    "text",
    ["keys: [{name: a, key: '${A}'}]", "server: {master_key: '${A}'}", "keys: [{name: a, key: '${A}', admin: true}]"],
)
def test_keys_that_are_all_unset_do_not_open_the_gateway(problems: Callable[..., list[Problem]], text: str) -> None:
    for env in ({}, {"A": ""}):
        [problem] = problems(text, **env)
        assert problem.severity == "error"
        assert problem.message == "A is not set, and no other key is left: nobody could call"


def test_a_deployment_without_its_variables_is_inactive(config: Load) -> None:
    text = """
tiers: {base: {models: [
  {name: a, model: openai/a, api_key: "${A}"},
  {name: b, model: openai/b, api_key: "${A}", api_base: "${B}"},
  {name: c, model: local/smollm2-135m},
]}}
"""
    first, second, third = config(text).deployments
    assert (first.inactive, first.api_key) == ("A is not set", None)
    assert (second.inactive, second.api_base) == ("A and B are not set", None)
    assert third.inactive is None
    first, second, _ = config(text, A="x").deployments
    assert (first.inactive, first.api_key) == (None, "x")
    assert (second.inactive, second.api_key, second.api_base) == ("B is not set", None, None)


def test_no_active_model_is_a_warning(config: Load) -> None:
    loaded = config(KEY="")
    [warning] = loaded.warnings
    assert warning.message == "no model is active: KEY is not set"
    assert warning.severity == "warning"


def test_plugins_keep_their_order_settings_and_places(config: Load) -> None:
    loaded = config(
        "plugins:\n- one\n- two:\n- my.rules:Office:\n    fail: open\n    hours: [8, null]\n    url: ${URL}\n",
        URL="http://x",
    )
    assert [(entry.name, dict(entry.settings), entry.fail, entry.line) for entry in loaded.plugins] == [
        ("one", {}, None, 2),
        ("two", {}, None, 3),
        ("my.rules:Office", {"hours": [8, None], "url": "http://x"}, "open", 4),
    ]
    office = loaded.plugins[2]
    assert type(office.settings["url"]) is str
    assert loaded.locate((*office.path, "hours", 0)) == (6, 13)
    assert loaded.locate((*office.path, "nothing")) == (5, 5)


def test_anchors_and_merges_serve_a_real_file(config: Load) -> None:
    loaded = config(
        """
tiers:
  base:
    models:
      - &openai {name: a, model: openai/a, api_key: "${KEY}", priority: 5}
      - {<<: *openai, name: b, model: openai/b}
"""
    )
    assert [(one.name, one.api_key, one.priority) for one in loaded.deployments] == [("a", "k", 5), ("b", "k", 5)]


def test_values_cannot_be_changed(config: Load) -> None:
    loaded = config("plugins: [{a: {x: 1}}]")
    with pytest.raises(FrozenInstanceError):
        loaded.server.port = 1  # type: ignore[misc]  # what is tested
    with pytest.raises(TypeError):
        loaded.plugins[0].settings["x"] = 2  # type: ignore[index]  # what is tested
    with pytest.raises(TypeError):
        loaded.routing.factors["x"] = 2  # type: ignore[index]  # what is tested


def test_equal_files_are_equal_configurations(config: Load) -> None:
    assert config("server: {port: 1}") == config("# a comment\nserver: {port: 1}")
    assert config("server: {port: 1}") != config("server: {port: 2}")


def test_the_file_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find() == shipped()
    (tmp_path / "tiers.yaml").touch()
    assert find() == Path("tiers.yaml")
    assert find(Path("other.yaml")) == Path("other.yaml")


def test_a_budget_that_nobody_draws_on_is_a_warning(config: Load) -> None:
    budgets = "budgets:\n  default: {limit_usd: 1, period: day}\n  ci: {limit_usd: 1, period: day}\n"
    assert [str(w) for w in config(budgets).warnings] == [
        f"{config(budgets).path}:3:3: warning: no key draws on the budget `ci`, so it limits nobody"
    ]
    assert not config(budgets + "keys: [{name: a, key: '${A}', budget: ci}]\n", A="a").warnings


@pytest.mark.parametrize("pattern", ["(a+)+", r"(\w+)*$", "([a-z]+)+", r"(\w+\s?)*", "(a{2,})*", r"x(?:\S*)+"])
def test_a_repeat_of_a_repeat_is_a_warning(config: Load, pattern: str) -> None:
    text = f"routing: {{task_types: {{x: {{points: 1, patterns: ['{pattern}']}}}}}}\n"
    [warning] = config(text).warnings
    assert (warning.line, warning.message) == (1, f"`{pattern}` repeats what itself repeats")


@pytest.mark.parametrize(
    "pattern", ["(ab)+", "(a+b)?", r"(\+)+", "([+*])+", "(a|b)*", "(a+,)+", r"\b(fix|solve)\b.{0,60}"]
)
def test_any_other_repeat_is_none(config: Load, pattern: str) -> None:
    assert not config(f"routing: {{task_types: {{x: {{points: 1, patterns: ['{pattern}']}}}}}}\n").warnings
