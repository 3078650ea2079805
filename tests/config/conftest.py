from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, Problem, load

MODEL = """
tiers:
  base:
    models:
      - {name: one, model: openai/gpt-6.1-sol, api_key: "${KEY}"}
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Config]:
    """`config(text, **env)`: the text, with a model where it has no tiers, as a loaded configuration."""

    def from_text(text: str = "", **env: str) -> Config:
        path = tmp_path / "tiers.yaml"
        path.write_text(text if "tiers:" in text else text + MODEL, encoding="utf-8")
        return load(path, {"KEY": "k", **env})

    return from_text


@pytest.fixture
def problems(config: Callable[..., Config]) -> Callable[..., list[Problem]]:
    """`problems(text, **env)`: what is wrong with it."""

    def from_text(text: str, **env: str) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            config(text, **env)
        return list(caught.value.problems)

    return from_text


@pytest.fixture
def wrong(problems: Callable[..., list[Problem]]) -> Callable[..., list[str]]:
    """`wrong(text, **env)`: the same in a line each, `3:9 message | expected`."""

    def from_text(text: str, **env: str) -> list[str]:
        found = problems(text, **env)
        return [f"{one.line}:{one.column} {one.message} | {one.expected}".removesuffix(" | ") for one in found]

    return from_text
