from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.marks import LEFT_OUT
from gateway_reduce.runs import NOUNS, fold

RUNS = [
    ("test", "tests/test_shop.py::test_order_{n}[case-{n}] PASSED                    [ {n}%]"),
    ("test", "[gw{n}] [ {n}%] PASSED tests/test_shop.py::test_order_{n} "),
    ("test", "tests/unit/test_module_{n}.py ........................                 [ {n}%]"),
    ("test", "test_error_{n} (tests.test_shop.TestShop.test_error_{n}) ... ok"),
    ("test", "test store::tests::keeps_order_{n} ... ok"),
    ("test", "    --- PASS: TestOrder/case_{n} (0.00s)"),
    ("test", "ok  \texample.com/shop/internal/module{n}\t0.0{n}s"),
    ("test", "    ✓ keeps the order of item {n} ({n} ms)"),
    ("test", "PASS src/components/module{n}.test.tsx"),
    ("test", "ok {n} - keeps the order"),
    ("test", "OrderTest > keepsOrder{n}() PASSED"),
    (
        "test",
        "[INFO] Tests run: {n}, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.{n} s - in com.example.Test{n}",
    ),
    ("test", " {n}/30 Test #{n}: order_{n} ..................   Passed    0.0{n} sec"),
    ("test", "2025-11-25T19:10:{n:02d}.1234567Z test store::tests::keeps_order_{n} ... ok"),
    ("package", "Requirement already satisfied: package-{n} in /usr/lib/python3/dist-packages (1.{n})"),
    ("package", "Collecting package-{n}==1.{n}"),
    ("package", "Get:{n} http://deb.debian.org/debian bookworm/main amd64 libpackage{n} amd64 1.{n} [1{n}.5 kB]"),
    ("package", "Setting up libpackage{n}:amd64 (1.{n}-1) ..."),
    ("package", "npm http fetch GET 200 https://registry.npmjs.org/package-{n} {n}12ms (cache miss)"),
    ("package", "3f4ca61aaf{n:02d}: Pull complete"),
    ("package", "   Compiling some-crate-{n} v0.{n}.1"),
    ("package", "go: downloading example.com/module{n} v1.{n}.0"),
    ("package", "Using some-gem 1.{n}.0"),
    ("package", "  - Installing vendor/package{n} (v1.{n}.0): Extracting archive"),
    ("package", "Downloaded from central: https://repo.maven.apache.org/maven2/a/b/{n}/b-{n}.jar (12 kB at 1 MB/s)"),
    ("compile", "[ {n}%] Building CXX object src/CMakeFiles/shop.dir/module{n}.cpp.o"),
    ("compile", "  CC      drivers/net/module{n}.o"),
    ("compile", "gcc -Wall -Werror -O2 -c src/module{n}.c -o build/module{n}.o"),
    ("compile", "> Task :module{n}:compileJava UP-TO-DATE"),
    ("progress", "Downloading model: {n}% done, {n}.5 MB"),
    ("progress", "{n}50K .......... .......... .......... ..........  {n}% 12.3M 0s"),
    ("progress", "remote: Counting objects:  {n}% ({n}/321)"),
    ("progress", "Loading: {n:3d}%|████      | {n}/321 [00:0{n}<00:10, 5.0it/s]"),
    ("progress", "100 1234k  100 1234k    0     0  56{n:02d}k      0 --:--:--  0:00:{n:02d} --:--:-- 5678k"),
    ("compile", "x86_64-linux-gnu-gcc-12 -O2 -Iinclude -c src/module{n}.c -o build/module{n}.o"),
    ("compile", "[{n}/120] Building CXX object src/module{n}.cpp.o"),
    ("check", "checking for header_number_{n}.h... yes"),
]


@pytest.mark.parametrize(("kind", "line"), RUNS)
def test_of_a_run_the_first_and_last_line_stay(kind, line):
    lines = [line.format(n=n) for n in range(30)]
    mark = f"{LEFT_OUT}28 {NOUNS[kind]}]"
    assert fold("\n".join(["start", *lines, "end"])) == "\n".join(["start", lines[0], mark, lines[-1], "end"])


def test_a_package_comes_in_three_lines():
    lines = [
        line
        for n in range(9)
        for line in (
            f"Collecting package-{n}>=1.{n}",
            f"  Downloading package_{n}-1.{n}-py3-none-any.whl (126 kB)",
            "     ━━━━━━━━━━━━━━━━━━━━━━━━━ 126.2/126.2 kB 62.5 MB/s eta 0:00:00",
        )
    ]
    assert fold("\n".join(lines)).split("\n") == [lines[0], f"{LEFT_OUT}25 {NOUNS['package']}]", lines[-1]]


@pytest.mark.parametrize(
    "odd",
    [
        "tests/test_shop.py::test_refund FAILED                    [ 50%]",
        "tests/test_shop.py::test_refund SKIPPED (no network)      [ 50%]",
        "test_refund (tests.test_shop.TestShop.test_refund) ... FAIL",
        "test store::tests::refund ... FAILED",
        "test store::tests::refund ... ignored",
        "--- FAIL: TestRefund (0.00s)",
        "    ✕ refunds (3 ms)",
        "not ok 7 - refunds",
        "ok 8 - refunds # SKIP no network",
        "tests/unit/test_refund.py ....F..                         [ 50%]",
        "[ERROR] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 s",
        "WARNING: Retrying after connection broken",
        "npm warn deprecated package@1.0.0: use another",
        "src/module.c:12:5: warning: unused variable 'x'",
        "checking for refund.h... no",
        "Setting up libfailing (1.0) ... failed",
        "12 passed, 1 failed in 0.12s",
    ],
)
@pytest.mark.parametrize("line", [RUNS[0][1], RUNS[14][1], RUNS[25][1], RUNS[-1][1]])
def test_what_does_not_go_well_stays_where_it_was(odd, line):
    lines = [line.format(n=n) for n in range(40)]
    folded = fold("\n".join([*lines[:20], odd, *lines[20:]])).split("\n")
    assert folded[folded.index(odd) - 1 : folded.index(odd) + 2] == [lines[19], odd, lines[20]]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"tests/test_shop.py::test_{n} PASSED" for n in range(5)),
        "\n".join(f"src/module_{n}.py:12: PASSED = {n}" for n in range(40)),
        "\n".join(f"| module{n} | {n}% |" for n in range(40)),
        "\n".join(f"src/module{n}.py      120     12    {n}%   4-{n}" for n in range(40)),
        "\n".join(f"drwxr-xr-x  2 root root 4096 Nov 25 19:10 Installing {n}" for n in range(40)),
        "\n".join(f"{n} {n}.5 {n} 0.{n} {n} {n}7 1" for n in range(40)),
        "\n".join(f"[{n}/40] loss 0.{n} accuracy {n}%" for n in range(40)),
        "\n".join(f"Training epoch {n}: accuracy {n}%" for n in range(40)),
        "\n".join(f"{n}. Setting the value of {n}" for n in range(40)),
        "\n".join(f"    self.assertEqual({n}, {n})  # ok" for n in range(40)),
    ],
)
def test_other_text_stays(text):
    assert fold(text) == text


LINES = st.sampled_from([line.format(n=7) for _, line in RUNS] + ["", "other", "FAILED", "lone \ud800\x00", "error: x"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LINES, st.integers(1, 12)), max_size=8) | st.just([]), st.text(max_size=60))
def test_any_text(runs, text):
    text += "".join(f"{line}\n" * times for line, times in runs)
    folded = fold(text)
    assert len(folded) <= len(text)
    assert fold(folded) == folded
    remaining = iter(text.split("\n"))
    assert all(line.startswith(LEFT_OUT) or line in remaining for line in folded.split("\n"))


@pytest.mark.parametrize(
    "line",
    [
        "a" * 300,
        "a-" * 150,
        "x" * 99 + " PASSED" * 40,
        ". " * 150,
        "::" * 100 + " PASSED x",
        "9" * 300,
        "Downloading" * 30,
    ],
)
def test_a_megabyte_of_one_line_is_linear(line):
    fold(f"{line}\n" * (1_000_000 // len(line)))  # quadratic work here would run into the suite's timeout
