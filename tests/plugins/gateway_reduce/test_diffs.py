from __future__ import annotations

import difflib
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.diffs import narrow
from gateway_reduce.marks import LEFT_OUT


def diff(old, new, context, path="module.py"):
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", n=context, lineterm="")
    return "".join(f"{line}\n" for line in lines)


GIT = shutil.which("git")
OLD = [f"line {n}" for n in range(60)]
NEW = [*OLD[:10], "added", *OLD[10:30], "changed", *OLD[31:55], *OLD[56:]]


def test_a_wide_hunk_becomes_what_git_would_have_shown():
    assert narrow(diff(OLD, NEW, 40)) == diff(OLD, NEW, 3)


def test_headings_and_what_stands_round_the_hunks_stay():
    log = (
        "commit 1127b8b55\nAuthor: Jo\n\n    Add a line\n\ndiff --git a/module.py b/module.py\nindex 278..4c7 100755\n"
    )
    wide = diff(OLD, NEW, 40).replace("@@\n", "@@ class Coder:\n", 1)
    narrowed = narrow(log + wide + log + wide)
    assert narrowed.count(log) == 2
    assert "@@ -8,6 +8,7 @@ class Coder:\n" in narrowed
    assert len(narrowed) < 0.7 * len(2 * (log + wide))


@pytest.mark.parametrize("context", [0, 1, 3])
def test_a_narrow_diff_stays(context):
    text = diff(OLD, NEW, context)
    assert narrow(text) == text


def test_wrong_counts_stay():
    text = diff(OLD, NEW, 40).replace("line 40\n", "line 40\n and one more\n", 1)
    assert narrow(text + "what follows\n") == text + "what follows\n"
    short = diff(OLD, NEW, 40).removesuffix(" line 59\n")
    assert narrow(short) == short


def test_a_file_that_quotes_a_diff_stays():
    text = "def test():\n" * 100 + diff(OLD, NEW, 40) + "    assert True\n" * 100
    assert narrow(text) == text


def test_the_sign_of_a_missing_line_end_goes_with_its_line():
    text = diff(OLD, [*OLD[:59], "last"], 40).replace("-line 59\n", "-line 59\n\\ No newline at end of file\n")
    text += "\\ No newline at end of file\n"
    narrowed = narrow(text)
    assert narrowed.endswith("-line 59\n\\ No newline at end of file\n+last\n\\ No newline at end of file\n")
    assert "@@ -57,4 +57,4 @@" in narrowed


def test_a_long_hunk_of_a_lock_file_becomes_a_mark():
    lock = diff([], [f'  "package-{n}": "1.{n}"' for n in range(200)], 3, "web/package-lock.json")
    code = diff(OLD, NEW, 3)
    narrowed = narrow(code + lock + code)
    assert f"@@ -0,0 +1,200 @@\n{LEFT_OUT}200 lines of a generated file, 200 of them changed]\n" in narrowed
    assert narrowed.count(code) == 2
    assert narrow(narrowed) == narrowed


LINES = st.lists(st.sampled_from(["", " ", "a", "b", "- c", "+ d", "@@ -1 +1 @@", "\\ e"]), max_size=40)


@settings(max_examples=150, deadline=None)
@given(LINES, LINES, st.integers(0, 30))
def test_any_diff_is_narrowed_to_the_same_change(old, new, context):
    text = diff(old, new, context)
    narrowed = narrow(text)
    assert narrow(narrowed) == narrowed
    if text:
        assert applied(old, narrowed) == new
        assert all(line in iter(narrowed.split("\n")) for line in text.split("\n") if line[:1] in ("+", "-"))


def applied(old, text):
    """The new file, made from the old one and the hunks of a diff."""
    out, done = [], 0
    rest = iter(text.split("\n")[2:-1])
    for header in rest:
        (start, olds), (_, news) = (
            side[1:].split(",") if "," in side else (side[1:], 1) for side in header.split()[1:3]
        )
        olds, news = int(olds), int(news)
        out += old[done : int(start) - (olds > 0)]
        done = int(start) - (olds > 0)
        while olds or news:
            sign, line = next((part[:1], part[1:]) for part in rest)
            if sign != "+":
                assert line == old[done]
                done, olds = done + 1, olds - 1
            if sign != "-":
                out.append(line)
                news -= 1
    return out + old[done:]


@pytest.mark.skipif(GIT is None, reason="git applies the patch")
def test_git_applies_the_narrowed_patch(tmp_path):
    (tmp_path / "module.py").write_text("".join(f"{line}\n" for line in OLD))
    patch = narrow(diff(OLD, NEW, 40))
    subprocess.run([GIT, "apply", "-"], input=patch, text=True, cwd=tmp_path, check=True)  # noqa: S603
    assert (tmp_path / "module.py").read_text().splitlines() == NEW


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=120)
    | st.lists(st.sampled_from(["--- a", "+++ b", "@@ -1,2 +1 @@", "-", "+x", " ", "\ud800"])).map("\n".join)
)
def test_any_text(text):
    assert len(narrow(text)) <= len(text)
    assert narrow(narrow(text)) == narrow(text)


@pytest.mark.parametrize("line", ["@@ -1,9 +1,9 @@", "+++ b", "-", " "])
def test_a_megabyte_of_one_line_is_linear(line):
    narrow("--- a\n+++ b\n" + f"{line}\n" * (1_000_000 // (len(line) + 1)))  # quadratic work would run into the timeout
