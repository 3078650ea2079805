"""The providers that a model's name may begin with are those of the litellm that is pinned."""

import json
from importlib.util import find_spec
from pathlib import Path

from gateway.config.checks.providers import PROVIDERS
from gateway.upstream import library


def test_they_are_litellms_and_the_local_one() -> None:
    litellm = library.load()
    spec = find_spec("litellm.llms.openai_like")
    assert spec is not None
    [folder] = spec.submodule_search_locations or ()
    registered = json.loads((Path(folder) / "providers.json").read_text())
    assert {provider.value for provider in litellm.LlmProviders} | set(registered) | {"local"} == PROVIDERS
