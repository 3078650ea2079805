"""Source files that an agent reads stay whole: it edits them by their exact text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_reduce import ReduceSettings
from gateway_reduce.body import parts_of
from gateway_reduce.reads import reads_source
from gateway_reduce.reduction import Reduction

CHECKED = "# Tool\n\n" + "\n".join(f"✓ A feature of it that is called {name}" for name in "abcdefghijklmnop") + "\n"
ASSEMBLER = "\n".join(f"    LD  A,(IX+{place})" for place in range(40))
COLOURED = "\n".join(f"\x1b[32m{at:4}\x1b[0m   def function_{at}(argument, {'x' * (at % 9)}): ..." for at in range(300))


def optimized(body):
    return Reduction(ReduceSettings().rules).optimized(parts_of(body), recall=True)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (CHECKED, {"command": "cat README.md"}),
        (CHECKED, {"command": ["bash", "-lc", "cd docs && sed -n '1,80p' README.md | head -50"]}),
        (CHECKED, {"command": "view", "path": "/repo/README.md"}),
        (ASSEMBLER, {"cmd": "nl src/boot.asm"}),
        (json.dumps({"output": CHECKED, "metadata": {"exit_code": 0}}, ensure_ascii=False), {"cmd": "cat a.md"}),
    ],
)
def test_nothing_is_left_out_of_a_source_file(conversation, text, arguments):
    made = optimized(conversation(text, **arguments))
    assert not made.stash
    assert not any("[left out" in edit.text for edit in made.edits)


@pytest.mark.parametrize("command", ["npm test", "cat notes.md && npm test", "cat build.log", "pytest test_a.py"])
def test_what_programs_write_is_shortened(conversation, command):
    assert optimized(conversation(CHECKED, command=command)).stash


@pytest.mark.parametrize(
    "text",
    [
        COLOURED,
        "\x1b[1mdiff --git a/x b/x\x1b[m\n--- a/x\n+++ b/x\n\x1b[36m@@ -1,300 +1,300 @@\x1b[m\n"
        + "\n".join(f"\x1b[32m+a line of code, number {at}, in the file\x1b[m" for at in range(300)),
        "\n".join(f"\x1b[35msrc/m{at}.py\x1b[m:\x1b[32m{at}\x1b[m:    x = found(here, {at})" for at in range(300)),
    ],
)
def test_colours_make_no_command_output_of_what_was_asked_for_by_name(conversation, text):
    assert not optimized(conversation(text)).stash


def test_tools_that_read_are_told_from_tools_that_run():
    arguments = json.dumps({"path": "src/module.py"})
    assert reads_source("read_file", arguments)
    assert not reads_source("run_tests", arguments)
    assert not reads_source("read_file", json.dumps({"path": "app.log"}))


@given(st.text(max_size=40), st.text() | st.from_regex(r"\{\"(command|path)\": .{0,40}\.py.*"))
def test_any_arguments_are_taken(tool, arguments):
    assert reads_source(tool, arguments) in (True, False)
