"""Plugins' settings are judged by the plugin's schema, at the lines of the file."""

from collections.abc import Callable

import pytest
from pydantic import Field

from gateway.api import Settings
from gateway.config import Config, ConfigError, settings_of

Load = Callable[..., Config]


class Tuning(Settings):
    level: int = 1
    shares: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    url: str | None = None
    pair: str = Field(default="", pattern="^a")
    either: int | list[int] = 0


class Strict(Settings):
    needed: float


def test_valid_settings_become_the_schema(config: Load) -> None:
    loaded = config("plugins: [{a: {level: '${LEVEL}', words: [x], fail: open}}]", LEVEL="3")
    assert settings_of(loaded.source, loaded.plugins[0], Tuning) == Tuning(level=3, words=("x",))


def test_every_problem_has_its_line(config: Load) -> None:
    loaded = config(
        "plugins:\n- b\n- a:\n    level: high\n    wrds: []\n    url: 5\n    either: x\n    shares: 5\n    pair: b\n"
    )
    with pytest.raises(ConfigError) as caught:
        settings_of(loaded.source, loaded.plugins[1], Tuning)
    level, words, url, *either, shares, pair = caught.value.problems
    assert str(level).endswith(":4:12: error: `plugins[1].a.level` is `high`; expected a whole number")
    assert ":5:5: error: unknown key `wrds` (did you mean `words`?); expected one of" in str(words)
    assert str(url).endswith(':6:10: error: `plugins[1].a.url` is `5`; expected text: write it in quotes, "5"')
    assert {(problem.line, problem.column) for problem in either} == {(7, 13)}
    assert str(shares).endswith(":8:13: error: `plugins[1].a.shares` is `5`; expected a list of numbers")
    assert str(pair).endswith(":9:11: error: `plugins[1].a.pair`: String should match pattern '^a'")


def test_missing_settings_are_said_where_the_plugin_is_named(config: Load) -> None:
    loaded = config("plugins:\n- a\n")
    with pytest.raises(ConfigError) as caught:
        settings_of(loaded.source, loaded.plugins[0], Strict)
    assert str(caught.value).endswith("tiers.yaml:2:3: error: `needed` is missing; expected a number")
