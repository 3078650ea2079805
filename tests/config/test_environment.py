"""References to the environment."""

import pytest

from gateway.config.environment import EnvText, Reference, as_plain, interpolate

ENV = {"A": "alpha", "EMPTY": "", "PORT": "4100", "PADDED": " key\n"}


def one(text: str) -> tuple[object, Reference]:
    value, references = interpolate({"x": text}, ENV, frozenset())
    return value["x"], references[("x",)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "alpha"),
        ("<${A}-${PORT}>", "<alpha-4100>"),
        ("${NONE:-beta}", "beta"),
        ("${EMPTY:-beta}", "beta"),
        ("${A:-beta}", "alpha"),
        ("${PADDED}", "key"),
        ("$${A}", "${A}"),
        ("${NONE:-}", None),
        ("${NONE:-http://h:1/v1}", "http://h:1/v1"),
    ],
)
def test_references_resolve(text: str, value: str | None) -> None:
    found, reference = one(text)
    assert found == value
    assert reference.unset == ()
    assert not reference.malformed


def test_an_unset_name_is_said_and_the_text_stays() -> None:
    found, reference = one("${NONE}/${EMPTY}/${NONE}/${A}")
    assert found == "${NONE}/${EMPTY}/${NONE}/${A}"
    assert reference.unset == ("NONE", "EMPTY")


@pytest.mark.parametrize(("text", "bare"), [("${A}", True), ("${A:-x}", False), ("x${A}", False), ("$${A}", False)])
def test_only_a_reference_alone_is_bare(text: str, *, bare: bool) -> None:
    assert one(text)[1].bare is bare


@pytest.mark.parametrize("text", ["${", "${A", "${1A}", "${A-x}", "${}", "${A B}"])
def test_a_broken_reference_is_malformed_and_stays(text: str) -> None:
    found, reference = one(text)
    assert found == text
    assert reference.malformed


def test_texts_under_literal_paths_stay() -> None:
    value, references = interpolate({"x": ["${A}"], "y": ["${A}", 1]}, ENV, frozenset({("x",)}))
    assert value == {"x": ["${A}"], "y": ["alpha", 1]}
    assert list(references) == [("y", 0)]


def test_only_what_came_from_the_environment_may_be_a_number() -> None:
    assert as_plain(EnvText("4100")) == 4100
    assert as_plain("4100") == "4100"
