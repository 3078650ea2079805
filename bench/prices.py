"""Our bills beside litellm's own calculator, for every chat model of the price list and four kinds of usage.

    python -m bench.prices

Run it when litellm changes. A cache write that the list prices below plain input is left out: we bill it as input.
"""

from __future__ import annotations

import os
from collections import Counter

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # before the import, else it asks the network

from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
)
from litellm.types.utils import Usage as LitellmUsage

from gateway.api import Usage
from gateway.money import Catalog, cost
from gateway.money.pricemap import provider_of

USAGES = (
    Usage(1_000, 500),
    Usage(90_000, 2_000, cached=80_000),
    Usage(90_000, 2_000, cached=80_000, cache_write=4_000),
    Usage(300_000, 7_000, cached=200_000, cache_write=50_000, reasoning=3_000, cache_write_1h=20_000),
)


def theirs(usage: Usage) -> LitellmUsage:
    written = CacheCreationTokenDetails(
        ephemeral_5m_input_tokens=usage.cache_write - usage.cache_write_1h,
        ephemeral_1h_input_tokens=usage.cache_write_1h,
    )
    return LitellmUsage(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=usage.input + usage.output,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=usage.cached,
            cache_creation_tokens=usage.cache_write,
            text_tokens=usage.input - usage.cached - usage.cache_write,
            cache_creation_token_details=written,
        ),
        completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=usage.reasoning),
    )


def main() -> None:
    catalog = Catalog()
    compared: Counter[str] = Counter()
    different: Counter[str] = Counter()
    examples: list[str] = []
    for key, entry in catalog.entries.items():
        provider = provider_of(entry)
        facts = catalog.lookup(key if key.startswith(f"{provider}/") else f"{provider}/{key}")
        if facts is None or facts.tariff is None or facts.tariff.off_peak or facts.mode not in {"chat", "responses"}:
            continue
        cheap_write = (entry.get("cache_creation_input_token_cost") or 0) < entry.get("input_cost_per_token", 0)
        for usage in USAGES:
            if usage.cache_write and cheap_write and "cache_creation_input_token_cost" in entry:
                continue
            model_provider = str(entry["litellm_provider"])
            bill = sum(generic_cost_per_token(model=key, usage=theirs(usage), custom_llm_provider=model_provider))
            ours = cost(usage, facts.tariff)
            compared[provider] += 1
            if ours is None or abs(bill - ours) > 1e-9:
                different[provider] += 1
                examples.append(f"{facts.name}: {usage} theirs {bill} ours {ours}")
    print(f"{'provider':<28}{'bills':>8}{'different':>11}")
    for provider, bills in compared.most_common():
        print(f"{provider:<28}{bills:>8}{different[provider]:>11}")
    print(f"{'all':<28}{compared.total():>8}{different.total():>11}")
    print(*examples[:20], sep="\n")


if __name__ == "__main__":
    main()
