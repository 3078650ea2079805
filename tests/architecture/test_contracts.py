"""The rules of the house that a machine can keep."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "gateway").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
LONGEST_FILE = 500

# What follows must be a code, and after the code a reason.
_SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore|pyright:\s*ignore|mypy:\s*ignore)(?P<rest>.*)")
_NOQA = re.compile(r":\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*(?P<reason>.*)")
_IGNORE = re.compile(r"(?:-errors)?\[[a-zA-Z0-9, -]+\](?P<reason>.*)")


def named(path):
    return str(path.relative_to(ROOT))


def output_of(*command):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    return subprocess.run(  # noqa: S603  # our own commands
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_there_is_something_to_check():
    assert {"gateway/api/values.py", "gateway/cli.py"} <= {named(path) for path in SOURCES}


def test_imports_keep_to_their_floors():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = output_of(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_file_is_too_long_to_be_read():
    long = {named(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert long == {}


def silenced(text):
    """The lines that silence a linter without saying which rule, or why."""
    for number, line in enumerate(text.splitlines(), start=1):
        found = _SILENCED.search(line)
        if found is None:
            continue
        pattern = _NOQA if "noqa" in found[0] else _IGNORE
        told = pattern.match(found["rest"].lstrip() if pattern is _NOQA else found["rest"])
        if told is None or len(told["reason"].strip(" #:-")) < len("why"):
            yield number


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("x = 1  # noqa", True),
        ("x = 1  # noqa: S101", True),
        ("x = 1  # noqa: S101  # checked above", False),
        ("x = 1  # noqa: S101, PLR2004 - both are meant", False),
        ("x = 1  # type: ignore", True),
        ("x = 1  # type: ignore[misc]", True),
        ("x = 1  # type: ignore[misc, arg-type]  # RouteDef allows views", False),
        ("x = 1  # a comment", False),
    ],
)
def test_the_search_for_silenced_lines_finds_them(line, wrong):
    assert bool(list(silenced(line))) is wrong


def test_who_silences_a_linter_says_which_rule_and_why():
    found = [f"{named(path)}:{number}" for path in SOURCES for number in silenced(path.read_text())]
    assert found == []


def test_the_wheel_holds_every_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    wheel = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert wheel == {"gateway"} | {f"plugins/{name}" for name in folders}
    assert set(project["project"]["entry-points"]["gateway.plugins"]) == folders
    assert set(project["tool"]["importlinter"]["root_packages"]) == {"gateway"} | folders
    assert set(project["tool"]["mypy"]["packages"]) == {"gateway"} | folders


def loose_tasks(text):
    """Lines that start a task nobody keeps: it may be collected while it runs, and its error is lost."""
    tree = ast.parse(text)
    groups = {
        item.optional_vars.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and "TaskGroup" in ast.unparse(item.context_expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Attribute)
        ):
            starter = node.value.func
            if starter.attr in ("create_task", "ensure_future") and ast.unparse(starter.value) not in groups:
                yield node.lineno


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("asyncio.ensure_future(work())", True),
        ("loop.create_task(work())", True),
        ("self._task = loop.create_task(work())", False),
        ("async def f():\n  async with asyncio.TaskGroup() as group:\n    group.create_task(work())", False),
    ],
)
def test_the_search_for_loose_tasks_finds_them(code, wrong):
    assert bool(list(loose_tasks(code))) is wrong


def test_every_task_is_kept():
    assert [f"{named(path)}:{line}" for path in SOURCES for line in loose_tasks(path.read_text())] == []


def test_the_command_line_starts_without_litellm():
    """Importing it takes seconds, and only `serve` needs it."""
    code = "import sys, gateway.cli; print(sorted(name for name in sys.modules if name.split('.')[0] == 'litellm'))"
    done = output_of(sys.executable, "-c", code)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_every_file_says_what_it_is_for():
    trees = {named(path): ast.parse(text) for path in SOURCES if (text := path.read_text())}
    assert [name for name, tree in trees.items() if not ast.get_docstring(tree)] == []
