"""The reference page and the schema say the same."""

import re
from pathlib import Path

import pytest

from gateway.api import Tier
from gateway.config import load
from gateway.config.schema import FileSchema
from gateway.config.vocabulary import keys

PAGE = Path(__file__).parents[2] / "docs/reference/configuration.md"
FROM_SHIPPED = {"routing.force_strong_for": "as shipped"}  # no default of the schema's, see `load`


def documented() -> list[tuple[str, str, str]]:
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (.+?) \| (.+?) \| .+ \|$", PAGE.read_text(encoding="utf-8"))
    return [(key, takes, default) for key, takes, default in rows]


def built() -> list[tuple[str, str, str]]:
    """The schema's keys, the three tiers as one row each."""
    rows: dict[str, tuple[str, list[str]]] = {}
    for key, takes, default in keys(FileSchema):
        generic = re.sub(rf"^tiers\.({'|'.join(Tier)})\.", "tiers.<tier>.", key)
        said, defaults = rows.setdefault(generic, (takes, []))
        assert said == takes
        if default not in defaults:
            defaults.append(default)
    return [(key, takes, FROM_SHIPPED.get(key, ", ".join(defaults))) for key, (takes, defaults) in rows.items()]


def test_every_key_is_documented_as_it_is_and_nothing_else() -> None:
    assert sorted(documented()) == sorted(built())


def test_no_key_is_documented_twice() -> None:
    names = [key for key, _, _ in documented()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("example", re.findall(r"(?s)```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8")))
def test_every_example_is_valid(tmp_path: Path, example: str) -> None:
    path = tmp_path / "tiers.yaml"
    path.write_text(example, encoding="utf-8")
    assert load(path, {"OPENAI_API_KEY": "x"}).warnings == ()
