"""The price list: litellm's map of models, read as JSON from the installed package without importing litellm.

What the map leaves out is unknown. What it says is 0 is believed only of providers that do serve for nothing: for
others a 0 stands where nobody filled in the price, or where something other than tokens is billed.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from gateway.api import Capability, Deployment, Price, ThriftgateError
from gateway.money.pricemap import Entry, provider_of, tariff_of
from gateway.money.tariff import Tariff

_MAP_FILE = "model_prices_and_context_window_backup.json"

# Whose price a bare name means: the model's maker, never a reseller.
_MAKERS = ("openai", "anthropic", "gemini", "xai", "deepseek", "mistral", "moonshot", "zai", "dashscope", "minimax")

# `-2025-09-29`, `-20250929`, `@20250929`: a dated snapshot bills like the model it is a snapshot of. What follows
# `ft:model` names a fine-tuning, and all of one model's bill alike.
_DATE = r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})"
_TAIL = re.compile(rf"^((?:.*/)?ft:[^:]+):.*$|^(.+?){_DATE}$")

_SERVICE_TIERS = ("flex", "priority")

_CAPABILITIES = {
    "supports_function_calling": Capability.TOOLS,
    "supports_vision": Capability.VISION,
    "supports_image_input": Capability.VISION,
    "supports_response_schema": Capability.JSON_SCHEMA,
    "supports_reasoning": Capability.REASONING,
    "supports_audio_input": Capability.AUDIO,
    "supports_pdf_input": Capability.FILES,
}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the price list knows of a model.

    `name` is litellm's name with the provider in front. `context_window` is the longest prompt in tokens.
    `tariffs` holds the prices of other service tiers (`flex`, `priority`) where the provider has them.
    """

    name: str
    provider: str
    mode: str
    tariff: Tariff | None
    context_window: int | None
    max_output: int | None
    capabilities: frozenset[Capability]
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)

    @property
    def price(self) -> Price | None:
        """The everyday price, `None` where the list has none."""
        return None if self.tariff is None else self.tariff.price


class Catalog:
    """Looks models up. The map is read at the first look-up (30 ms); after that a look-up is a few dict accesses."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` names another map than litellm's own, in the same format."""
        self._path = path
        self._facts: dict[str, ModelFacts] = {}  # by the map's own keys, so it cannot outgrow the map

    def lookup(self, model: str) -> ModelFacts | None:
        """The facts of `provider/model` or of a bare name, dated or not; `None` where the list has no such model.

        A name with a provider never gets another provider's price: resellers charge what they like.
        """
        key = self._key(model) or self._key(_TAIL.sub(r"\1\2", model))
        if key is None:
            return None
        known = self._facts.get(key)
        if known is None:
            known = self._facts[key] = _facts(key, self.entries[key])
        return known

    def complete(self, deployment: Deployment) -> Deployment:
        """`deployment` with price, window, longest answer and capabilities from the list where the file gave none."""
        facts = None if deployment.wildcard else self.lookup(deployment.model)
        if facts is None:
            return deployment
        priced = deployment.price is None and facts.price is not None
        return replace(
            deployment,
            price=facts.price if priced else deployment.price,
            price_source="litellm" if priced else deployment.price_source,
            context_window=deployment.context_window or facts.context_window,
            max_output=deployment.max_output or facts.max_output,
            capabilities=deployment.capabilities or facts.capabilities,
        )

    def tariff(self, deployment: Deployment, service_tier: str | None = None) -> Tariff | None:
        """What `deployment` is billed by: the file's price where it has one, else the list's tariff with all its
        steps. `service_tier` is the upstream's word for the tier that served (`flex`, `priority`)."""
        if deployment.price is not None and deployment.price_source != "litellm":
            return Tariff.flat(deployment.price, cache_on_request="claude" in deployment.model)
        facts = self.lookup(deployment.model)
        if facts is None:
            return None
        return facts.tariffs.get(service_tier or "", facts.tariff)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """The map as litellm wrote it, by its own names."""
        path = self._path or _installed_map()
        try:
            entries = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise ThriftgateError(f"the price list {path} cannot be read: {error}") from error
        if not isinstance(entries, dict):
            raise ThriftgateError(f"the price list {path} is not a JSON object")
        return {key: entry for key, entry in entries.items() if isinstance(entry, dict) and key != "sample_spec"}

    def _key(self, model: str) -> str | None:
        provider, slash, rest = model.partition("/")
        if not slash:
            return self._bare_key(model)
        if model in self.entries:
            return model
        entry = self.entries.get(rest)
        return rest if entry is not None and provider_of(entry) == provider else None

    def _bare_key(self, model: str) -> str | None:
        entry = self.entries.get(model)
        if entry is not None and provider_of(entry) in _MAKERS:
            return model
        maker = next((key for maker in _MAKERS if (key := f"{maker}/{model}") in self.entries), None)
        return maker or (model if entry is not None else None)


def _installed_map() -> Path:
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ThriftgateError("litellm is not installed, so there is no price list")
    return Path(spec.origin).parent / _MAP_FILE


def _facts(key: str, entry: Entry) -> ModelFacts:
    provider = provider_of(entry)
    tariffs = {tier: tariff for tier in _SERVICE_TIERS if (tariff := tariff_of(key, entry, f"_{tier}"))}
    return ModelFacts(
        name=key if key.startswith(f"{provider}/") else f"{provider}/{key}",
        provider=provider,
        mode=str(entry.get("mode") or "chat"),
        tariff=tariff_of(key, entry),
        context_window=_size(entry.get("max_input_tokens")),
        max_output=_size(entry.get("max_output_tokens")),
        capabilities=frozenset(able for word, able in _CAPABILITIES.items() if entry.get(word) is True),
        tariffs=tariffs,
    )


def _size(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None
