from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.api import Capability, Deployment, Price, ThriftgateError, Tier
from gateway.money import Catalog, Tariff


def deployment(model: str, **values) -> Deployment:
    provider, _, upstream = model.partition("/")
    return Deployment(name="d", tier=Tier.BASE, model=model, provider=provider, upstream_model=upstream, **values)


def small_catalog(tmp_path: Path, entries: dict[str, object]) -> Catalog:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(entries))
    return Catalog(path)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929"),
        ("openai/gpt-5-mini-2031-01-01", "openai/gpt-5-mini"),
        ("gpt-5-mini-20310101", "openai/gpt-5-mini"),
        ("ft:gpt-4o-2024-08-06:acme::abc", "openai/ft:gpt-4o-2024-08-06"),
        ("openai/ft:gpt-4o-2024-08-06:acme::abc", "openai/ft:gpt-4o-2024-08-06"),
        ("gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("vertex_ai/gemini-2.5-pro", "vertex_ai/gemini-2.5-pro"),
        ("deepseek/deepseek-chat", "deepseek/deepseek-chat"),
        ("xai/grok-4.3", "xai/grok-4.3"),
        ("grok-4.3", "xai/grok-4.3"),
        ("azure/gpt-4o", "azure/gpt-4o"),
        ("azure/eu/gpt-4o", "azure/eu/gpt-4o"),
        ("groq/openai/gpt-oss-120b", "groq/openai/gpt-oss-120b"),
        (
            "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
    ],
)
def test_names_of_every_form_are_found(catalog: Catalog, asked: str, name: str) -> None:
    facts = catalog.lookup(asked)
    assert facts is not None
    assert facts.name == name
    assert facts.tariff is not None
    assert facts.provider == name.split("/", maxsplit=1)[0]


@pytest.mark.parametrize(
    "asked",
    ["", "/", "nope", "sample_spec", "openrouter/openai/gpt-4o", "groq/gpt-4o", "azure/my-deployment", "openai/*"],
)
def test_another_providers_price_is_never_borrowed(catalog: Catalog, asked: str) -> None:
    assert catalog.lookup(asked) is None


def test_facts_are_in_the_units_of_the_house(catalog: Catalog) -> None:
    facts = catalog.lookup("claude-sonnet-4-5")
    assert facts is not None
    assert facts.price == Price(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)
    assert facts.tariff is not None
    assert facts.tariff.rates.cache_write_1h == 6.0
    assert facts.tariff.cache_on_request
    assert facts.context_window == 200_000
    assert {Capability.TOOLS, Capability.VISION, Capability.REASONING} <= facts.capabilities


def test_a_long_prompt_has_its_own_rates(catalog: Catalog) -> None:
    gemini, grok = catalog.lookup("gemini/gemini-2.5-pro"), catalog.lookup("xai/grok-4.3")
    assert gemini is not None
    assert gemini.tariff is not None
    assert grok is not None
    assert grok.tariff is not None
    assert gemini.tariff.at(200_000).input == 1.25
    assert gemini.tariff.at(200_001).input == 2.5
    assert gemini.tariff.at(200_001).output == 15.0
    assert gemini.tariff.at(200_001).cache_read == 0.25
    assert grok.tariff.at(199_999).input == 1.25
    assert grok.tariff.at(200_000).input == 2.5  # xAI counts the mark in


def test_price_bands_become_steps(catalog: Catalog) -> None:
    facts = catalog.lookup("dashscope/qwen3-coder-plus")
    assert facts is not None
    assert facts.tariff is not None
    assert [facts.tariff.at(size).input for size in (32_000, 32_001, 128_001, 256_001)] == [1.0, 1.8, 3.0, 6.0]


def test_quiet_hours_are_cheaper(catalog: Catalog) -> None:
    facts = catalog.lookup("deepseek/deepseek-v4-flash")
    assert facts is not None
    assert facts.tariff is not None
    wednesday = 1_763_510_400.0  # 2025-11-19 00:00 UTC
    saturday = wednesday + 3 * 86_400

    def at(moment: float) -> float:
        return facts.tariff.at(1000, moment).input

    usual, quiet = facts.tariff.at(1000).input, at(saturday + 2 * 3600)
    assert quiet == usual / 2
    assert at(wednesday + 2 * 3600) == usual
    assert at(wednesday + 23 * 3600) == quiet


def test_service_tiers_have_their_own_tariff(catalog: Catalog) -> None:
    gpt = deployment("openai/gpt-5-mini")
    usual, flex = catalog.tariff(gpt), catalog.tariff(gpt, "flex")
    assert usual is not None
    assert flex is not None
    assert flex.rates.input < usual.rates.input
    assert catalog.tariff(gpt, "default") == usual


def test_what_the_map_leaves_out_is_unknown_and_never_free(tmp_path: Path) -> None:
    def entry(**costs):
        return {"litellm_provider": "acme", "mode": "chat", "max_input_tokens": 1000, **costs}

    catalog = small_catalog(
        tmp_path,
        {
            "acme/none": entry(),
            "acme/null": entry(input_cost_per_token=None, output_cost_per_token=1e-6),
            "acme/half": entry(input_cost_per_token=1e-6),
            "acme/zero": entry(input_cost_per_token=0, output_cost_per_token=0),
            "acme/negative": entry(input_cost_per_token=-1e-6, output_cost_per_token=1e-6),
            "acme/text": entry(input_cost_per_token="1e-6", output_cost_per_token=1e-6),
            "acme/per-request": entry(
                input_cost_per_token=1e-6, output_cost_per_token=1e-6, input_cost_per_request=0.01
            ),
            "acme/image": {**entry(input_cost_per_token=1e-6, output_cost_per_token=1e-6), "mode": "image_generation"},
            "ollama/llama3": {
                "litellm_provider": "ollama", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0,
            },
        },
    )  # fmt: skip
    for name in ("none", "null", "half", "zero", "negative", "text", "per-request", "image"):
        facts = catalog.lookup(f"acme/{name}")
        assert facts is not None
        assert facts.tariff is None, name
        assert facts.price is None
        completed = catalog.complete(deployment(f"acme/{name}"))
        assert (completed.price, completed.price_source, completed.context_window) == (None, "unknown", 1000)
    local = catalog.complete(deployment("ollama/llama3"))
    assert local.price is not None
    assert local.price.free


def test_no_model_of_the_real_list_writes_its_cache_for_nothing(catalog: Catalog) -> None:
    tariffs = [facts.tariff for key in catalog.entries if (facts := catalog.lookup(key)) and facts.tariff]
    assert len(tariffs) > 2000
    for tariff in tariffs:
        for rates in (tariff.rates, *(step.rates for step in tariff.steps)):
            assert rates.cache_write is None or rates.cache_write >= rates.input > 0
            assert rates.input >= 0
            assert rates.output >= 0


def test_the_file_wins_over_the_list(catalog: Catalog) -> None:
    own = Price(input=1.0, output=2.0)
    given = deployment(
        "openai/gpt-4o",
        price=own,
        price_source="tiers.yaml",
        context_window=50,
        capabilities=frozenset({Capability.AUDIO}),
    )
    completed = catalog.complete(given)
    assert completed.price == own
    assert completed.price_source == "tiers.yaml"
    assert completed.context_window == 50
    assert completed.max_output == 16_384
    assert completed.capabilities == {Capability.AUDIO}
    assert catalog.tariff(completed) == Tariff.flat(own)


def test_completing_is_idempotent_and_keeps_the_steps(catalog: Catalog) -> None:
    once = catalog.complete(deployment("gemini/gemini-2.5-pro"))
    assert once.price_source == "litellm"
    assert catalog.complete(once) == once
    tariff = catalog.tariff(once)
    assert tariff is not None
    assert tariff.steps


def test_a_free_price_in_the_file_is_free(catalog: Catalog) -> None:
    free = deployment("openai/local", price=Price(0.0, 0.0), price_source="tiers.yaml")
    assert catalog.complete(free).price == Price(0.0, 0.0)


def test_a_wildcard_waits_for_its_model(catalog: Catalog) -> None:
    wild = Deployment(name="openai/*", tier=Tier.BASE, model="openai/*", provider="openai", upstream_model="*")
    assert catalog.complete(wild) is wild


def test_a_broken_list_says_so(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text("{")
    with pytest.raises(ThriftgateError, match="cannot be read"):
        Catalog(tmp_path / "map.json").lookup("gpt-4o")
    with pytest.raises(ThriftgateError, match="cannot be read"):
        Catalog(tmp_path / "absent.json").lookup("gpt-4o")


def test_a_look_up_does_not_import_litellm() -> None:
    script = (
        "import sys; from gateway.money import Catalog; Catalog().lookup('gpt-4o'); print('litellm' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
