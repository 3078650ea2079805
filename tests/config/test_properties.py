"""Whatever a file holds, `load` gives a configuration or says what is wrong; it raises nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config import Config, ConfigError, load, shipped
from gateway.config.schema import FileSchema
from gateway.config.vocabulary import keys

ENV = {"KEY": "secret-value", "PORT": "4000"}
WORDS = sorted({part.removesuffix("[]") for key, _, _ in keys(FileSchema) for part in key.split(".")} | {"fail", "<<"})
VALUES = ["weak", "base", "auto", "day", "openai/*", "*", "${KEY}", "${NO}", "${PORT:-1}", "${", "sqlite:///x", "(", ""]
SHIPPED = shipped().read_text(encoding="utf-8")
FULL: dict[str, Any] = {
    "server": {"host": "h", "port": 1, "max_body_mb": 2, "drain_seconds": 0, "master_key": "${KEY}"},
    "tiers": {
        "weak": {"max_complexity": 2, "max_context": 9, "models": [{"name": "a", "model": "xai/a", "priority": 1}]},
        "strong": {
            "models": [{"name": "b", "model": "xai/b", "price": {"input": 0, "output": 1}, "capabilities": ["tools"]}]
        },
    },
    "routing": {
        "mode": "observe",
        "prefer_free": True,
        "factors": {"breadth": [{"up_to": 1, "points": 0}, {"points": 1}], "past_failures": {"max": 1}},
        "task_types": {"x": {"points": 1, "patterns": ["a"]}},
        "force_strong_for": ["x"],
    },
    "budgets": {"default": {"limit_usd": 1, "period": "day"}},
    "keys": [{"name": "k", "key": "sha256:" + "0" * 64, "budget": "default", "admin": True}],
    "state": {"url": "memory://"},
    "ledger": {"url": "sqlite:///x"},
    "plugin_path": "p",
}

modest = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(VALUES),
    st.sampled_from(WORDS),
    st.text(max_size=9),
)
names = st.one_of(st.sampled_from(WORDS), st.text(max_size=5))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
    max_leaves=25,
)


def result(path: Path, data: bytes) -> Config | ConfigError:
    path.write_bytes(data)
    try:
        return load(path, ENV)
    except ConfigError as error:
        judge(error, data)
        return error


def judge(error: ConfigError, data: bytes) -> None:
    """Every problem says something, stands inside the file, and tells no secret."""
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 2
    assert any(problem.severity == "error" for problem in error.problems)
    assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in error.problems)
    assert all(problem.message for problem in error.problems)
    assert ENV["KEY"] not in str(error)


def dump(tree: Any, **options: Any) -> str:
    return str(yaml.dump(tree, Dumper=yaml.CSafeDumper, **options))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiers.yaml"


@modest
@given(data=st.binary(max_size=200))
def test_any_bytes(file: Path, data: bytes) -> None:
    result(file, data)


@modest
@given(text=st.text(st.sampled_from("a: -[]{}&*!|>'\"%@`#,?<\t\n$0.~ü"), max_size=80))
def test_any_text_that_looks_like_yaml(file: Path, text: str) -> None:
    result(file, text.encode())


@modest
@given(tree=trees)
def test_any_tree(file: Path, tree: Any) -> None:
    result(file, dump(tree, allow_unicode=True).encode("utf-8", "replace"))


@modest
@given(sections=st.dictionaries(st.sampled_from(sorted(FileSchema.model_fields)), trees, max_size=5))
def test_any_sections_beside_a_valid_file(file: Path, sections: dict[str, Any]) -> None:
    result(file, dump({**FULL, **sections}).encode())


@modest
@given(data=st.data())
def test_a_damaged_file(file: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SHIPPED)))
    end = data.draw(st.integers(start, min(len(SHIPPED), start + 60)))
    insert = data.draw(st.sampled_from(["", "\t", ":", "- ", "{", '"', "&a ", "*a", "\n", "!!int ", "${", "\u2028"]))
    result(file, (SHIPPED[:start] + insert + SHIPPED[end:]).encode())


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value inside."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in steps:
        yield (*path, step)
        yield from paths(child, (*path, step))


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(child, path[1:], new) if key == path[0] else child for key, child in value.items()}
    return [replaced(child, path[1:], new) if at == path[0] else child for at, child in enumerate(value)]


def test_the_full_file_is_valid(file: Path) -> None:
    assert isinstance(result(file, dump(FULL).encode()), Config)


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("path", list(paths(FULL)), ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_value_anywhere_is_told_where_it_stands(file: Path, path: tuple[str | int, ...], *, flow: bool) -> None:
    """Nothing in the file may be a list of lists, so that is wrong in every place."""
    marked = dump(replaced(FULL, path, "HERE"), default_flow_style=flow, sort_keys=False, width=10_000)
    line = next(number for number, text in enumerate(marked.splitlines(), 1) if "HERE" in text)
    column = marked.splitlines()[line - 1].index("HERE") + 1
    found = result(file, marked.replace("HERE", "[[]]").encode())
    assert isinstance(found, ConfigError)
    places = {(problem.line, problem.column) for problem in found.problems}
    assert places & {(line, column), (line, column + 1)}


@pytest.mark.parametrize("path", list(paths(FULL)), ids=lambda path: ".".join(map(str, path)))
def test_no_problem_repeats_what_came_from_the_environment(file: Path, path: tuple[str | int, ...]) -> None:
    for text in ("${KEY}", "x ${KEY}", "redis://${KEY}"):
        result(file, dump(replaced(FULL, path, text)).encode())
