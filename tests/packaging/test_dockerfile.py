"""No Docker engine runs in the tests; its file is read instead, and its steps are those that test_wheel.py takes."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def instructions():
    """Each instruction with its arguments, continued lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def arguments(name):
    return [rest for word, rest in instructions() if word == name]


def copied_from_the_checkout():
    pieces = [rest.split()[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    return [piece for names in pieces for piece in names]


def test_what_it_copies_is_there_and_reaches_the_builder():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for name in copied_from_the_checkout():
        assert (ROOT / name).exists(), name
        assert any((ROOT / name).match(rule.removeprefix("!")) for rule in ignore if rule.startswith("!")), name


def test_its_steps_are_those_of_the_script(steps, copied):
    commands = " && ".join(arguments("RUN")).split("&&")
    pips = [command.strip().split(" ", 1) for command in commands if "/bin/pip " in command]
    assert [(where.split("/")[2], rest.replace("--no-cache-dir ", "")) for where, rest in pips] == steps
    assert set(copied_from_the_checkout()) == copied


def test_it_runs_as_nobody_special_and_serves_by_default():
    names = [word for word, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert arguments("USER") == ["thriftgate"]
    assert json.loads(arguments("ENTRYPOINT")[0]) + json.loads(arguments("CMD")[0]) == [
        "thriftgate",
        "serve",
        "--host",
        "0.0.0.0",  # noqa: S104  # inside a container all addresses are meant
    ]
    assert arguments("EXPOSE") == ["4000"]
    assert "/livez" in arguments("HEALTHCHECK")[0]
    assert arguments("WORKDIR")[-1] == arguments("VOLUME")[0]


def test_it_holds_no_secret():
    assert not re.search(
        r"^(ENV|ARG).*(KEY|TOKEN|SECRET|PASSWORD)", (ROOT / "Dockerfile").read_text(), re.MULTILINE | re.IGNORECASE
    )
