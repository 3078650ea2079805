"""Loads litellm: late, off the event loop, and with everything turned off that a gateway must not do.

Nothing else in the house imports litellm, and here it is imported only inside `load()`: it takes 2-9 s and 170 MB.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
from types import ModuleType
from typing import Never

# Read by litellm while it is being imported, so they have to stand before:
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches its price map from the network
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # and this list
    "LITELLM_MODE": "PRODUCTION",  # else it reads a `.env` from the working directory into our environment
    "LITELLM_TELEMETRY": "False",
}


def load() -> ModuleType:
    """Imports litellm and makes it quiet, patient and private. Blocks for seconds: call it in a thread."""
    os.environ.update(_ENVIRONMENT)
    import litellm  # noqa: PLC0415  # seconds long: only when serving
    from litellm.litellm_core_utils import url_utils  # noqa: PLC0415  # as above

    # Where a provider takes media as data only, it fetches them from whatever address a request names. All of its
    # fetching passes here.
    url_utils.validate_url = _fetch_nothing
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True  # else it fetches tokenizers from a hub to count what was not counted
    litellm.disable_token_counter = True
    litellm.num_retries = 0
    litellm.drop_params = False  # asked for per call
    litellm.modify_params = False
    # It takes 100 equal chunks for a runaway model and aborts; a table of dashes is enough to get there.
    litellm.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize
    for callbacks in ("callbacks", "success_callback", "failure_callback", "input_callback", "service_callback"):
        setattr(litellm, callbacks, [])
    litellm._async_success_callback = []  # noqa: SLF001  # there is no public name for it
    litellm._async_failure_callback = []  # noqa: SLF001  # there is no public name for it
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        # Its warnings quote request bodies.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Its hundred thousands of objects never die, and each full collection would stop every request for 150 ms.
    gc.collect()
    gc.freeze()
    module: ModuleType = litellm
    return module


def _fetch_nothing(_url: str) -> Never:
    from litellm.litellm_core_utils.url_utils import SSRFError  # noqa: PLC0415  # loaded by now

    raise SSRFError("no address out of a request is fetched")


def warm(litellm: ModuleType) -> None:
    """Has the SDK lane import what it needs for a call with tools: 3-7 s that would otherwise stop the event loop at
    the first call. Calls nobody. Blocks: call it in a thread."""
    for module in ("openai.resources.chat", "litellm.proxy._types", "litellm.llms.litellm_proxy.chat.transformation"):
        importlib.import_module(module)
    asyncio.run(_pretend(litellm))


async def _pretend(litellm: ModuleType) -> None:
    function = {"name": "warm", "parameters": {"type": "object", "properties": {}}}
    for stream in (False, True):
        answer = await litellm.acompletion(
            model="openai/gpt-4o-mini",
            messages=[{"role": "user", "content": "warm"}],
            tools=[{"type": "function", "function": function}],
            mock_response="warm",
            api_key="none",
            max_retries=0,
            stream=stream,
        )
        if stream:
            async for _ in answer:
                pass
