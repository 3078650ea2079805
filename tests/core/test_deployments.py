import pytest

from gateway.api import BadRequest, Deployment, Price, Tier
from gateway.deployments import Deployments
from gateway.money import Catalog

CATALOG = Catalog()


def deployment(name: str, tier: Tier = Tier.WEAK, **other) -> Deployment:
    model = other.pop("model", f"openai/{name}")
    provider, _, upstream_model = model.partition("/")
    return Deployment(name=name, tier=tier, model=model, provider=provider, upstream_model=upstream_model, **other)


SMALL = deployment("small", price=Price(0.1, 0.4), price_source="tiers.yaml")
LARGE = deployment("large", Tier.STRONG, price=Price(5, 20), price_source="tiers.yaml")
GPT = deployment("gpt", Tier.BASE, model="openai/gpt-4o")
WILD = deployment("openai/*", Tier.BASE, model="openai/*")


def deployments(*configured: Deployment, baseline: str | None = None) -> Deployments:
    return Deployments(configured, CATALOG, baseline=baseline)


def test_auto_is_compared_with_the_strong_tier():
    asked = deployments(SMALL, LARGE).resolve("auto")
    assert asked.kind == "auto"
    assert asked.price == Price(5, 20)
    assert asked.price_model == "openai/large"


def test_auto_is_compared_with_the_baseline_where_one_is_set():
    assert deployments(SMALL, LARGE, baseline="small").resolve("auto").price == Price(0.1, 0.4)
    known = deployments(SMALL, LARGE, baseline="gpt-4o").resolve("auto")
    assert known.price_model == "openai/gpt-4o"
    assert known.kind == "auto"
    assert known.price is not None
    assert known.price.input > 0


def test_what_cannot_serve_is_no_baseline():
    gone = deployment("gone", Tier.STRONG, price=Price(9, 90), price_source="tiers.yaml", inactive="no key")
    assert deployments(SMALL, gone, baseline="gone").resolve("auto").price is None
    assert deployments(SMALL, gone, LARGE, baseline="gone").resolve("auto").price == LARGE.price
    stand_in = deployment("stand-in", Tier.STRONG, price=Price(0, 0), price_source="tiers.yaml", standby=True)
    assert deployments(stand_in).resolve("auto").price is None


def test_a_tier_serves_with_its_own_deployments():
    asked = deployments(SMALL, LARGE).resolve("weak")
    assert asked.kind == "tier"
    assert asked.tier is Tier.WEAK
    assert [d.name for d in asked.deployments] == ["small"]


@pytest.mark.parametrize("name", ["gpt", "gpt-4o", "openai/gpt-4o"])
def test_a_deployment_is_found_by_its_name_its_model_and_the_bare_model(name):
    asked = deployments(SMALL, GPT).resolve(name)
    assert asked.kind == "deployment"
    assert [d.name for d in asked.deployments] == ["gpt"]


def test_a_model_that_only_the_price_list_knows():
    asked = deployments(SMALL).resolve("claude-sonnet-4-5")
    assert asked.kind == "known"
    assert not asked.deployments
    assert asked.provider == "anthropic"
    assert asked.price is not None


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o"])
def test_a_wildcard_serves_its_provider(name):
    [found] = deployments(SMALL, WILD).resolve(name).deployments
    assert found.name == "openai/*"
    assert found.model == "openai/gpt-4o"
    assert found.upstream_model == "gpt-4o"
    assert found.price is not None


def test_a_wildcard_serves_names_that_nobody_knows():
    [found] = deployments(WILD).resolve("openai/gpt-of-tomorrow").deployments
    assert found.upstream_model == "gpt-of-tomorrow"
    assert found.price is None


def test_an_unknown_name_is_a_404_that_says_what_is_near():
    with pytest.raises(BadRequest, match="Did you mean small") as caught:
        deployments(SMALL).resolve("smal")
    assert caught.value.status == 404
    assert caught.value.code == "model_not_found"


def test_a_pattern_is_no_hint_at_itself():
    with pytest.raises(BadRequest) as caught:
        deployments(SMALL, WILD).resolve("openai/*")
    assert "Did you mean" not in caught.value.message


def test_an_inactive_deployment_is_known_but_serves_nothing():
    asked = deployments(SMALL, deployment("gone", inactive="KEY is not set")).resolve("gone")
    assert asked.kind == "deployment"
    assert not asked.deployments


def test_standby_serves_only_alone():
    stand_in = deployment("stand-in", standby=True)
    assert [d.name for d in deployments(stand_in, deployment("dead", inactive="no key")).active] == ["stand-in"]
    both = deployments(stand_in, SMALL)
    assert [d.name for d in both.active] == ["small"]
    waiting = both.get("stand-in")
    assert waiting is not None
    assert waiting.inactive is not None
