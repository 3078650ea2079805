"""Long coding sessions: windows of files, searches, edits, windows again, and tests that fail until they pass.

Every step is thought about in words, which take two fifths of the tokens, as they do in agents that think aloud.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.context.scenes import Draw, Script
from bench.context.traces import Session

_NAME = re.compile(r"[a-z]+_[a-z]+")
WINDOW = 60  # lines
TURNS = (60, 80, 100)
FILES, LINES = 30, 400
SENTENCES = (7, 24)  # of a thought


def sessions(draw: Draw) -> Iterator[Session]:
    for number, turns in enumerate(TURNS):
        yield _session(number, turns, draw)


def _session(number: int, turns: int, draw: Draw) -> Session:
    files = {f"{draw.name().lower()}/{draw.function()}.py": _source(draw) for _ in range(FILES)}
    script = Script(
        "gen_coding",
        number,
        "You are a careful engineer. Think before each step.",
        ["bash", "read_file", "edit_file", "grep"],
    )
    script.user(
        f"`{draw.function()}` loses an entry when a {draw.word()} is empty. Find the cause, mend it, add a test.\n"
        + draw.sentence(60)
    )
    paths = list(files)
    at, start, failing = paths[0], 1, [f"tests/test_{draw.word()}.py::test_{draw.function()}_{n}" for n in range(4)]
    script.bash(
        "git ls-files", "\n".join([*paths, *(f"tests/test_{n}.py" for n in range(30)), "setup.cfg", "README.md"])
    )
    for turn in range(1, turns):
        lines, thought = files[at], _thought(draw, at, files[at], start)
        step = turn % 8
        if step in (0, 3):
            at, start = draw.choice(paths), draw.randrange(1, LINES - WINDOW)
            script.call(
                "read_file", {"path": at, "offset": start, "limit": WINDOW}, _window(files[at], start), thought=thought
            )
        elif step in (2, 5):
            start = max(1, start + draw.choice((-WINDOW, 35, WINDOW)))
            script.call(
                "read_file", {"path": at, "offset": start, "limit": WINDOW}, _window(lines, start), thought=thought
            )
        elif step in (1, 6):
            word = draw.choice(_NAME.findall("\n".join(lines[start - 1 : start - 1 + WINDOW])))
            script.call("grep", {"pattern": word, "path": "."}, _hits(files, word), thought=thought)
        elif step == 4:
            place = min(len(lines) - 1, start + draw.randrange(WINDOW))
            old, new = lines[place], lines[place].rstrip() + f"  # {draw.word()} may be empty"
            lines[place] = new
            told = f"The file {at} has been edited. Around the change it reads now:\n{_window(lines, place - 4, 10)}"
            script.call("edit_file", {"path": at, "old": old, "new": new}, told, thought=thought)
        else:
            script.bash("python -m pytest -q tests", _tests(draw, failing), thought=thought)
            failing = failing[1:]
    script.answer(f"The cause is in {at}; all tests pass now.", [at])
    return script.session()


def _source(draw: Draw) -> list[str]:
    lines = ['"""' + draw.sentence(12) + '"""', "", "import json", f"from {draw.word()} import {draw.name()}", ""]
    while len(lines) < LINES:
        name, thing, other = draw.function(), draw.word(), draw.word()
        lines += [
            "",
            f"def {name}_{draw.randrange(99)}({thing}, {other}, *, limit={draw.randrange(99)}):",
            f'    """{draw.sentence(15)}"""',
        ]
        for _ in range(draw.randrange(3, 9)):
            lines += [
                f"    for {other} in {thing}.{draw.function()}({draw.randrange(99)}):",
                f"        if {other}.{draw.word()} is None or {other}.{draw.word()} > limit:",
                f'            raise ValueError(f"{draw.sentence(6)} {{{other}!r}}")',
                f"        {thing}[{other}.{draw.word()}] = {draw.name()}.{draw.function()}({other}, {draw.randrange(999)})",
            ]
        lines.append(f"    return {draw.name()}({thing}, {other})")
    return lines


def _window(lines: list[str], start: int, count: int = WINDOW) -> str:
    start = max(1, min(start, len(lines) - 5))
    shown = lines[start - 1 : start - 1 + count]
    return "\n".join(f"{start + n:6}\t{line}" for n, line in enumerate(shown))


def _hits(files: dict[str, list[str]], word: str) -> str:
    hits = [f"{path}:{n}:{line}" for path, lines in files.items() for n, line in enumerate(lines, 1) if word in line]
    return "\n".join(hits[:25]) or "no match"


def _tests(draw: Draw, failing: list[str]) -> str:
    lines = ["." * 72 + f" [{n * 25}%]" for n in range(1, 5)]
    for name in failing:
        lines += [
            f"____ {name.split('::')[1]} ____",
            f">       assert {draw.function()}([]) == []",
            f"E       IndexError: {draw.sentence(9)}",
        ]
    lines += [f"FAILED {name} - IndexError" for name in failing]
    return "\n".join(
        [
            *lines,
            f"{len(failing)} failed, {288 - len(failing)} passed in {draw.randrange(4, 9)}.{draw.randrange(99):02}s",
        ]
    )


def _thought(draw: Draw, path: str, lines: list[str], start: int) -> str:
    """What the agent thinks of the window before it: words of its own, and a line or a number copied from there."""
    place = min(len(lines), start + draw.randrange(20))
    said = [draw.remark(draw.randrange(10, 30)) for _ in range(draw.randrange(*SENTENCES))]
    said.insert(1, f"In {path} line {place} reads `{lines[place - 1].strip()}`, which is where the {draw.word()} goes.")
    return " ".join(said)
