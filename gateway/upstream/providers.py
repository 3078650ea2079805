"""Where the providers live, and which of them our own client may call."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

# Where each provider lives unless the deployment says otherwise. Kept here and not asked of litellm, which would let
# `OPENAI_BASE_URL` (often set to this very gateway) and its likes decide.
BASES: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "deepseek": "https://api.deepseek.com/beta",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "xai": "https://api.x.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "together_ai": "https://api.together.ai/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "anthropic": "https://api.anthropic.com",
}
# Proven by tests/upstream/test_translated_contract.py.
TRANSLATED = frozenset({"anthropic", "gemini"})
# Proven by tests/upstream/test_relay_contract.py. Whoever is in neither goes through the SDK.
RELAYED = (frozenset(BASES) - TRANSLATED) | {"hosted_vllm", "local"}


def provider_class(litellm: ModuleType, provider: str, model: str) -> Any:
    """litellm's `BaseConfig` for a provider's chat models."""
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415  # loaded by now

    return ProviderConfigManager.get_provider_chat_config(model=model, provider=litellm.LlmProviders(provider))
