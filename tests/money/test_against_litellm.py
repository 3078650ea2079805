"""The same bills as litellm's own calculator, model by model, for the providers that people use most. It runs in a
process of its own, since nothing else here imports litellm."""

from __future__ import annotations

import json
import os
import subprocess
import sys

_COMPARE = """
import json, sys
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.utils import CacheCreationTokenDetails, CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper
from litellm.types.utils import Usage as Theirs
from gateway.api import Usage
from gateway.money import Catalog, cost

USAGES = [
    Usage(90_000, 2_000, cached=80_000, cache_write=4_000),
    Usage(300_000, 7_000, cached=200_000, cache_write=50_000, reasoning=3_000, cache_write_1h=20_000),
]
PROVIDERS = {"openai", "anthropic", "gemini", "xai", "deepseek", "mistral", "azure", "groq", "cerebras", "moonshot",
    "dashscope", "minimax", "zai", "fireworks_ai"}

def theirs(usage):
    details = CacheCreationTokenDetails(ephemeral_5m_input_tokens=usage.cache_write - usage.cache_write_1h,
        ephemeral_1h_input_tokens=usage.cache_write_1h)
    return Theirs(prompt_tokens=usage.input, completion_tokens=usage.output, total_tokens=usage.input + usage.output,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=usage.cached, cache_creation_tokens=usage.cache_write,
            text_tokens=usage.input - usage.cached - usage.cache_write, cache_creation_token_details=details),
        completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=usage.reasoning))

catalog, compared, different = Catalog(), 0, []
for key, entry in catalog._map.items():
    provider = entry.get("litellm_provider")
    if provider not in PROVIDERS or entry.get("mode") not in ("chat", "responses"):
        continue
    name = key if key.startswith(provider + "/") else f"{provider}/{key}"
    facts = catalog.lookup(name)
    if facts.tariff is None or facts.tariff.off_peak is not None:
        continue
    if (entry.get("cache_creation_input_token_cost") or 0) < entry.get("input_cost_per_token", 0):
        usages = [Usage(300_000, 7_000, cached=200_000, reasoning=3_000)]  # a write "for less" we bill as plain input
    else:
        usages = USAGES
    for usage in usages:
        compared += 1
        bill = sum(generic_cost_per_token(model=key, usage=theirs(usage), custom_llm_provider=provider))
        if abs(bill - cost(usage, facts.tariff)) > 1e-9:
            different.append((name, usage.input, bill, cost(usage, facts.tariff)))
print(json.dumps({"compared": compared, "different": different}))
"""


def test_bills_are_those_of_litellms_calculator() -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", _COMPARE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["compared"] > 500
    assert result["different"] == []
