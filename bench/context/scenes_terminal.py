"""Raw output of commands: installers with progress bars and colours, and compilers and tests that fail and then pass."""

from __future__ import annotations

from collections.abc import Iterator

from bench.context.scenes import Draw, Script
from bench.context.traces import Session

RED, GREEN, YELLOW, BOLD, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


def sessions(draw: Draw) -> Iterator[Session]:
    for number in range(2):
        yield _installs(number, draw)
        yield _builds(number, draw)


def _installs(number: int, draw: Draw) -> Session:
    script = Script("gen_terminal", number, "You set up machines by running commands.", ["bash"])
    script.user("Set this machine up for the viewer, and tell me about anything that could not be installed.")
    script.bash("apt-get update && apt-get install -y build-tools", apt(draw))
    text, missing = pip(draw)
    script.bash("pip install -r requirements.txt", text)
    script.answer(f"`{missing}` could not be found; I go on without it.", [missing])
    script.user("Leave it out then. Go on with the front end and the image.")
    text, vulnerable = npm(draw)
    script.bash("npm install", text)
    text, digest = docker(draw)
    script.bash("docker build -t viewer .", text)
    script.answer(f"The image is sha256:{digest}. npm warns about {vulnerable}.", [digest, vulnerable])
    return script.session()


def _builds(number: int, draw: Draw) -> Session:
    script = Script("gen_build", number, "You mend builds.", ["bash", "edit_file"])
    script.user("The build is red. Find out why and mend it.")
    text, place = gcc(draw)
    script.bash("make -j4", text)
    script.call("edit_file", {"path": place.split(":")[0], "old": "int n", "new": "size_t n"}, "replaced once",
                thought=f"The error is at {place}.")  # fmt: skip
    script.bash("make -j4", gcc(draw, fails=False)[0])
    for fails in (True, False):
        text, failed = pytest(draw, fails=fails)
        script.bash("python -m pytest -v", text)
        if fails:
            script.bash(
                f"python -m pytest {failed}", text.split("= FAILURES")[-1], thought=f"{failed} fails; alone, too?"
            )
    text, failed = cargo(draw)
    script.bash("cargo test", text)
    script.answer(f"The C parts and the Python tests pass. In Rust {failed} still fails.", [failed])
    return script.session()


def _bar(percent: int, width: int = 40) -> str:
    done = width * percent // 100
    return "━" * done + " " * (width - done)


def apt(draw: Draw) -> str:
    names = [f"lib{draw.name().lower()}{draw.randrange(9)}" for _ in range(60)]
    lines = [f"Hit:{n} http://deb.{draw.name().lower()}.example stable InRelease" for n in range(1, 5)]
    lines += ["".join(f"\rReading package lists... {p}%" for p in range(0, 100, 4)) + "\rReading package lists... Done"]
    lines += ["The following NEW packages will be installed:", "  " + " ".join(names)]
    for n, name in enumerate(names, 1):
        version = f"{draw.randrange(9)}.{draw.randrange(30)}-{draw.randrange(9)}"
        lines.append(
            f"\r{n * 100 // 60}% [{n} {name} 0 B/{draw.randrange(20, 900)} kB]\x1b[K\rGet:{n} {name} amd64 {version}"
        )
    for name in names:
        lines += [f"Selecting previously unselected package {name}:amd64.", f"Preparing to unpack .../{name}_amd64.deb ...",
                  f"Unpacking {name}:amd64 ...", f"Setting up {name}:amd64 ..."]  # fmt: skip
    return "\n".join(lines)


def pip(draw: Draw) -> tuple[str, str]:
    """The output, and the requirement that is not there."""
    lines, missing = [], f"{draw.name().lower()}-{draw.word()}=={draw.randrange(9)}.{draw.randrange(9)}.7"
    for _ in range(35):
        name, version, size = (
            f"{draw.name().lower()}-{draw.word()}",
            f"{draw.randrange(9)}.{draw.randrange(20)}",
            draw.randrange(40, 900),
        )
        lines += [
            f"Collecting {name}>={version}",
            f"  Downloading {name.replace('-', '_')}-{version}-py3-none-any.whl ({size} kB)",
        ]
        lines.append(
            "\r".join(
                f"\x1b[2K   {GREEN}{_bar(p)}{PLAIN} {YELLOW}{size * p // 100}/{size} kB{PLAIN}"
                for p in range(0, 101, 5)
            )
        )
    lines.insert(60, f"{RED}ERROR: No matching distribution found for {missing}{PLAIN}")
    return "\n".join(lines), missing


def npm(draw: Draw) -> tuple[str, str]:
    """The output, and the package with a hole in it."""
    spin = "".join(f"\r\x1b[K{c} idealTree:{draw.word()}: timing" for c in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" * 12)
    old = [
        f"{YELLOW}npm warn deprecated{PLAIN} {draw.name().lower()}@{draw.randrange(9)}.0.{draw.randrange(9)}: {draw.sentence(12)}"
        for _ in range(12)
    ]
    hole = f"{draw.name().lower()}-{draw.word()}@{draw.randrange(4)}.{draw.randrange(9)}.1"
    return "\n".join(
        [spin, *old, "", "added 1204 packages, and audited 1205 packages in 41s", f"{RED}1 critical{PLAIN}: {hole}"]
    ), hole


def docker(draw: Draw) -> tuple[str, str]:
    """The output, and the image's digest."""
    lines = [f"#{n} [{n - 4}/14] RUN {draw.function()} --{draw.word()}" for n in range(5, 19)]
    for n in range(5, 19):
        layer = draw.hex(64)
        lines += [
            f"#{n} sha256:{layer} {mb}.{draw.randrange(100):02}MB / 84.20MB {mb / 9:.1f}s" for mb in range(0, 84, 6)
        ]
        lines.append(f"#{n} DONE {draw.randrange(1, 40)}.{draw.randrange(9)}s")
    digest = draw.hex(64)
    return "\n".join([*lines, f"#19 writing image sha256:{digest} done", "#19 naming to viewer done"]), digest


def gcc(draw: Draw, *, fails: bool = True) -> tuple[str, str]:
    """The output, and the place of the error."""
    lines, place = list[str](), f"src/{draw.function()}.c:{draw.randrange(20, 900)}:14"
    for n in range(70):
        name = draw.function()
        lines.append(
            f"gcc -O2 -g -Wall -Wextra -Iinclude -I/usr/include/{draw.word()} -DVERSION=3 -c -o build/{name}_{n}.o src/{name}_{n}.c"
        )
        if n % 6 == 0:
            lines += [f"{BOLD}src/{name}_{n}.c:{n * 7}:9: {YELLOW}warning: {PLAIN}unused variable '{draw.word()}' [-Wunused-variable]",
                      f"  {n * 7} |     int {draw.word()} = 0;", "      |         ^~~~~"]  # fmt: skip
    if fails:
        lines += [
            f"{BOLD}{place}: {RED}error: {PLAIN}incompatible types when assigning to '{draw.word()}_t'",
            "make: *** [Makefile:31: all] Error 1",
        ]
    else:
        lines.append("gcc -o build/viewer build/*.o -lm")
    return "\n".join(lines), place


def pytest(draw: Draw, *, fails: bool) -> tuple[str, str]:
    """The output, and the test that fails."""
    names = [f"tests/test_{draw.word()}.py::test_{draw.function()}_{n}" for n in range(160)]
    broken = draw.choice(names) if fails else ""
    lines = [
        "=" * 29 + " test session starts " + "=" * 30,
        "platform linux -- Python 3.12.4, pytest-8.3.2",
        f"collected {len(names)} items",
        "",
    ]
    lines += [
        f"{name} {RED + 'FAILED' if name == broken else GREEN + 'PASSED'}{PLAIN} [{n * 100 // 160:3}%]"
        for n, name in enumerate(names, 1)
    ]
    if fails:
        lines += ["=" * 35 + " FAILURES " + "=" * 35, f"    def {broken.split('::')[1]}():", f"        made = {draw.function()}({draw.randrange(99)})",
                  f">       assert made == {draw.randrange(10**6)}", f"E       AssertionError: {draw.name()} != {draw.name()}",
                  f"{broken.split('::')[0]}:{draw.randrange(10, 300)}: AssertionError", f"FAILED {broken}"]  # fmt: skip
    lines.append(
        f"{RED}=== 1 failed, 159 passed in 8.14s ==={PLAIN}" if fails else f"{GREEN}=== 160 passed in 7.90s ==={PLAIN}"
    )
    return "\n".join(lines), broken


def cargo(draw: Draw) -> tuple[str, str]:
    """The output, and the test that fails."""
    lines = [
        f"{GREEN}{BOLD}   Compiling{PLAIN} {draw.name().lower()}-{draw.word()} v0.{draw.randrange(20)}.{draw.randrange(9)}"
        for _ in range(80)
    ]
    tests = [f"{draw.word()}::tests::{draw.function()}_{n}" for n in range(120)]
    broken = draw.choice(tests)
    lines += [f"test {name} ... {RED + 'FAILED' if name == broken else GREEN + 'ok'}{PLAIN}" for name in tests]
    lines += ["", "failures:", "", f"---- {broken} stdout ----", f"thread '{broken}' panicked at src/{draw.word()}.rs:{draw.randrange(900)}:9:",
              f"  left: {draw.randrange(10**6)}", f" right: {draw.randrange(10**6)}"]  # fmt: skip
    return "\n".join(lines), broken
