"""YAML text to values and places."""

from pathlib import Path

import pytest

from gateway.config.problems import ConfigError
from gateway.config.tree import MAX_DEPTH, Tree, parse, plain

FILE = Path("t.yaml")


def read(text: str) -> Tree:
    return parse(text, FILE)


def failure(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    [problem] = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("12", 12),
        ("-1_000", -1000),
        ("007", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".inf", float("inf")),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("0x1f", "0x1f"),
        ("1.2.3", "1.2.3"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = plain(text)
    assert found == value
    assert type(found) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert read("""{a: "1", b: 'true', c: ""}""").value == {"a": "1", "b": "true", "c": ""}


def test_every_value_and_key_has_its_place() -> None:
    source = read("a:\n  ü: x\n  list:\n    - 1\n    - {k: v}\n").source
    assert source.locate(("a",)) == (2, 3)
    assert source.locate(("a",), key=True) == (1, 1)
    assert source.locate(("a", "ü")) == (2, 6)
    assert source.locate(("a", "list", 0)) == (4, 7)
    assert source.locate(("a", "list", 1, "k")) == (5, 11)
    assert source.locate(("a", "list", 1, "k"), key=True) == (5, 8)
    assert source.locate(("a", "list", 1, "missing")) == (5, 7)
    assert source.locate(("nothing", "of", "this")) == (1, 1)


def test_aliases_and_merges_are_followed() -> None:
    text = """
defaults: &defaults {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *defaults, b: 9}
two:
  <<: [*defaults, *more]
three: *more
"""
    value = read(text).value
    assert value["one"] == {"a": 1, "b": 9}
    assert value["two"] == {"a": 1, "b": 2, "c": 4}
    assert value["three"] == {"b": 3, "c": 4}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read('{"<<": 1}').value == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: error: `a` stands here twice; expected it once; the first is in line 1"),
        ("1: x", "t.yaml:1:1: error: a key that is not text"),
        ("a: {[1]: x}", "t.yaml:1:5: error: a key that is not text"),
        ("a: {<<: 5}", "t.yaml:1:9: error: `<<` of something that is no mapping"),
        ("a: {<<: [[{}]]}", "t.yaml:1:10: error: `<<` of something that is no mapping"),
    ],
)
def test_bad_keys_are_problems_but_do_not_stop_the_reading(text: str, message: str) -> None:
    [problem] = read(text).problems
    assert str(problem).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", "t.yaml:2:1: error: YAML syntax: "),
        ("a: b: c", "t.yaml:1:5: error: YAML syntax: mapping values are not allowed"),
        ("a:\n\tb: 1", "t.yaml:2:1: error: a tab in the indentation; expected spaces"),
        ("a: 1\n---\nb: 2", "t.yaml:2:1: error: a second document begins here; expected one document"),
        ("a: *nobody", "t.yaml:1:4: error: no anchor `&nobody` ends before `*nobody`"),
        ("a: &self [*self]", "t.yaml:1:11: error: no anchor `&self` ends before `*self`"),
        ("a: !!python/object:os.system {}", "t.yaml:1:4: error: the tag `tag:yaml.org,2002:python/object:os.system`"),
        ("a: !secret x", "t.yaml:1:4: error: the tag `!secret`"),
    ],
)
def test_what_is_no_yaml_is_a_problem_at_its_place(text: str, message: str) -> None:
    assert failure(text).startswith(message)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_a_problem_and_no_crash(opening: str) -> None:
    assert f"nested more than {MAX_DEPTH} deep" in failure(opening * 20_000) or "YAML syntax" in failure(opening * 9)


@pytest.mark.parametrize("shape", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_that_multiply_are_a_problem(shape: str) -> None:
    lines = ["l0: &l0 {a: 1}"]
    lines += [f"l{n}: &l{n} " + shape.format(", ".join([f"*l{n - 1}"] * 10)) for n in range(1, 12)]
    assert "with its aliases followed, is too large" in failure("\n".join(lines))


def test_a_long_chain_of_merges_is_a_problem() -> None:
    lines = ["m0: &m0 {a: 1}", *(f"m{n}: &m{n} {{<<: *m{n - 1}}}" for n in range(1, 3000))]
    assert "too large" in failure("\n".join(lines))
