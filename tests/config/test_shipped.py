"""The shipped file: valid, current, and what the product promises."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from gateway.api import Tier
from gateway.config import Config, load, shipped

EXAMPLES = {
    "log_summary": "Summarize the last 500 lines of this log for me.",
    "file_scan": "List all files that import requests.",
    "syntax_check": "Please check the syntax of this snippet.",
    "data_extraction": "Extract the invoice number and date from this email.",
    "documentation": "Add docstrings to the public functions.",
    "code_implementation": "Implement a function that merges two sorted lists.",
    "refactoring": "Refactor this class, it has grown too big.",
    "bug_fix": "Fix the bug in the login form.",
    "test_writing": "Write unit tests for parser.py.",
    "code_review": "Please review my pull request.",
    "api_integration": "Integrate the Stripe API into the checkout.",
    "debugging_complex": "We have a race condition when two workers start.",
    "performance_optimization": "Optimize the query, the latency is terrible.",
    "planning": "Make a plan for the migration to Postgres.",
    "architecture_design": "Design the architecture of a chat system.",
    "security_review": "Do a security review of the upload endpoint.",
    "strategic_decision": "Should we migrate to Kubernetes or stay?",
    "production_critical": "Production is down, the outage started at 9.",
}


TASK_TYPES = list(EXAMPLES)


@pytest.fixture(scope="module")
def loaded() -> Config:
    return load(shipped(), {})


def test_it_is_the_file_at_the_root() -> None:
    assert shipped() == Path(__file__).parents[2] / "tiers.yaml"


def test_it_has_at_least_eleven_models_over_three_tiers_and_four_providers(loaded: Config) -> None:
    remote = [one for one in loaded.deployments if one.provider != "local"]
    assert len(remote) >= 11
    assert len({one.provider for one in remote}) >= 4
    assert {one.tier for one in remote} == set(Tier)
    for tier in Tier:
        assert len({one.provider for one in remote if one.tier is tier}) >= 4


def test_it_needs_no_variable_and_says_which_models_wait_for_one(loaded: Config) -> None:
    assert loaded.warnings == ()
    assert not loaded.needs_key
    active = [one for one in loaded.deployments if one.inactive is None]
    assert [(one.model, one.standby, one.tier) for one in active] == [("local/smollm2-135m", True, Tier.WEAK)]
    assert active[0].price is not None
    assert active[0].price.free
    assert active[0].context_window == 8192
    for one in loaded.deployments:
        assert one.inactive is None or re.fullmatch(r"[A-Z]+_API_KEY is not set", one.inactive)


def test_every_model_comes_alive_by_its_key(loaded: Config) -> None:
    names = {one.inactive.split()[0] for one in loaded.deployments if one.inactive}
    assert all(one.inactive is None for one in load(shipped(), dict.fromkeys(names, "key")).deployments)


def test_litellm_knows_a_price_for_every_model_and_none_is_about_to_end(loaded: Config) -> None:
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    for one in loaded.deployments:
        if one.provider == "local":
            continue
        entry = known.get(one.model) or known[one.upstream_model]
        assert entry["litellm_provider"] == one.provider, one.name
        assert entry["input_cost_per_token"] > 0, one.name
        assert entry["output_cost_per_token"] > 0, one.name
        assert entry["mode"] == "chat", one.name
        assert entry["supports_function_calling"], one.name
        assert entry.get("deprecation_date", "9999") > "2027-06", one.name


def test_tiers_ascend_in_price(loaded: Config) -> None:
    limits = [loaded.routing.limits[tier].max_complexity for tier in Tier]
    assert limits == sorted(limits, key=float)  # type: ignore[arg-type]  # none of them is None here
    assert limits[-1] == 10


def test_the_eighteen_task_types_are_there(loaded: Config) -> None:
    assert [one.name for one in loaded.routing.task_types] == TASK_TYPES
    assert all(1 <= one.points <= 4 and one.patterns for one in loaded.routing.task_types)
    assert loaded.routing.force_strong_for == (
        "architecture_design",
        "security_review",
        "strategic_decision",
        "production_critical",
    )


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_plain_request_is_recognised(loaded: Config, name: str) -> None:
    [task] = [one for one in loaded.routing.task_types if one.name == name]
    assert any(re.search(pattern, EXAMPLES[name], re.IGNORECASE) for pattern in task.patterns)


@pytest.mark.parametrize("text", ["", "Hello, how are you?", "What is the capital of France?", "Tell me a joke."])
def test_small_talk_is_recognised_as_nothing(loaded: Config, text: str) -> None:
    found = [
        task.name
        for task in loaded.routing.task_types
        if any(re.search(pattern, text, re.IGNORECASE) for pattern in task.patterns)
    ]
    assert found == []


def test_what_is_not_recognised_lands_in_base(loaded: Config) -> None:
    """Unknown traffic must not go to the weak tier, and its size alone must not make it strong."""
    factors, limits = loaded.routing.factors, loaded.routing.limits
    least = factors["task_type"]["default"]
    most = least + factors["context_size"][-1]["points"] + factors["breadth"][-1]["points"]
    weak, base = limits[Tier.WEAK].max_complexity, limits[Tier.BASE].max_complexity
    assert weak is not None
    assert base is not None
    assert weak < least < most <= base


def test_the_factors_give_ten_points_at_most(loaded: Config) -> None:
    factors = loaded.routing.factors
    most = max(one.points for one in loaded.routing.task_types)
    most += factors["context_size"][-1]["points"] + factors["breadth"][-1]["points"] + factors["past_failures"]["max"]
    assert most == 10


def test_the_commented_examples_are_valid(tmp_path: Path) -> None:
    """Budgets, keys, the master key and the extra models are there to be uncommented."""
    text = shipped().read_text(encoding="utf-8")
    text = text.replace("# master_key:", "master_key:")
    text = re.sub(r"(?m)^# ((budgets|keys):$|  (default|ci|-) ?[:{])", r"\1", text)
    extra = re.findall(r"(?m)^  #   (.*)$", text)
    start = text.index("  # More that a model may say:")
    models = "".join(f"      {line}\n" for line in extra)
    path = tmp_path / "tiers.yaml"
    path.write_text(text[:start].rstrip() + "\n" + models + text[text.index("\nrouting:") :], encoding="utf-8")
    names = set(re.findall(r"\$\{([A-Z_]+)\}", path.read_text(encoding="utf-8")))
    config = load(path, dict.fromkeys(names, "x") | {name: name for name in names})
    assert [key.name for key in config.keys] == ["master", "alice", "ci", "ops"]
    assert [budget.name for budget in config.budgets] == ["default", "ci"]
    assert {"openai/*", "qwen-here"} <= {one.name for one in config.deployments}


def test_other_yaml_readers_understand_it_too(loaded: Config) -> None:
    read = yaml.safe_load(shipped().read_text(encoding="utf-8"))
    names = [model["name"] for tier in Tier for model in read["tiers"][tier.value]["models"]]
    assert names == [one.name for one in loaded.deployments]
