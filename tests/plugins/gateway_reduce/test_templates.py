from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.marks import LEFT_OUT
from gateway_reduce.templates import fold

LIFE = "16/04/07 10:{m:02d}:{s:02d} INFO storage.BlockManager: Found block rdd_{n}_{s} locally on host-{m}\n"
ODD = "16/04/07 10:30:30 INFO yarn.ApplicationMaster: Registered signal handler for HUPPATTERN\n"
LOUD = "16/04/07 10:31:00 ERROR executor.Executor: task 77 of stage 3 was lost\n"


def life(lines):
    return "".join(LIFE.format(m=n // 60 % 60, s=n % 60, n=n) for n in range(lines))


def test_a_kind_stays_with_its_first_lines_and_its_last():
    text = life(300)
    folded = fold(text)
    lines = text.splitlines()
    assert folded.splitlines()[:3] == lines[:3]
    assert folded.splitlines()[-1] == lines[-1]
    assert f"{LEFT_OUT}296 lines" in folded
    assert len(folded.splitlines()) == 5


def test_rare_and_loud_lines_and_lone_names_stay_in_their_places():
    named = LIFE.format(m=7, s=7, n=7).replace("host-7", "the-odd-one")
    folded = fold(life(100) + ODD + life(100) + LOUD + life(50) + named + life(50))
    kept = [line for line in (ODD, LOUD, named) if line in folded]
    assert kept == [ODD, LOUD, named]
    assert folded.index(ODD) < folded.index(LOUD) < folded.index(named)


def test_what_is_dropped_and_what_is_kept_are_all_there_was():
    text = life(100) + ODD + life(100)
    folded = fold(text).splitlines()
    marks = [line for line in folded if line.startswith(LEFT_OUT)]
    dropped = sum(int(mark.removeprefix(LEFT_OUT).split()[0]) for mark in marks)
    assert len(folded) - len(marks) + dropped == len(text.splitlines())


def test_states_are_shown_one_by_one():
    links = [
        f"Jul  1 09:00:{n % 60:02d} host kernel[0]: AirPort: Link {'Up' if n % 3 else 'Down'} on en{n % 4}\n"
        for n in range(80)
    ]
    folded = fold("".join(links))
    assert "Link Up" in folded
    assert "Link Down" in folded


def test_a_failed_request_among_many_good_ones_stays():
    good = '10.0.0.{n} - - [10/Oct/2025:13:55:{n:02d} +0000] "GET /api/items/{n} HTTP/1.1" 200 {n}12 "-" "curl/8.1"\n'
    lines = [good.format(n=n) for n in range(60)]
    lines[31] = lines[31].replace('" 200', '" 502')
    assert lines[31] in fold("".join(lines))


@pytest.mark.parametrize(
    "entry",
    [
        "081109 2036{n:02d} {n} INFO dfs.DataNode: PacketResponder {n} for block blk_{n}8865049064 terminating",
        "- 11178385{n:02d} 2005.06.03 R{n:02d}-M1-N0-C:J12-U11 RAS KERNEL INFO instruction cache parity corrected",
        "1346{n:02d} node-{n} unix.hw state_change.available 10778047{n:02d} 1 Component alt0 is available (HWID={n})",
        "Dec 10 06:55:{n:02d} LabSZ sshd[242{n:02d}]: Connection closed by 173.234.31.{n} [preauth]",
        "[10.30 16:49:{n:02d}] chrome.exe - proxy.example.org:5070 close, {n} bytes sent, {n}26 bytes received",
        "20171223-22:15:{n:02d}:606|Step_LSC|30002312|onStandStepChanged 35{n:02d}",
        "[   12.3456{n:02d}] usb 1-{n}: new high-speed device number {n} using driver",
        "INFO:app.jobs:job {n} picked up by worker {n}",
        "2025-11-25 19:10:{n:02d}.345 UTC [12{n:02d}] LOG:  checkpoint complete: wrote {n} buffers",
    ],
)
def test_logs_of_many_formats_are_folded(entry):
    text = "\n".join(entry.format(n=n) for n in range(60))
    assert len(fold(text)) < 0.3 * len(text)


def test_a_log_full_of_stack_traces_is_folded():
    trace = "".join(f"\tat org.example.step{n}(Client.java:{n})\n" for n in range(9))
    text = "".join(f"2015-10-18 18:01:{n:02d},978 WARN [main] Client: Retrying call {n}\n{trace}" for n in range(60))
    assert len(fold(text)) < 0.2 * len(text)
    assert fold(trace * 60) == trace * 60


def table(row):
    return "\n".join(row.format(n=n, name=f"name{chr(97 + n % 26)}") for n in range(60))


@pytest.mark.parametrize(
    "text",
    [
        table("    value_{n} = compute(value_{n}, {n})"),
        table("src/module_{n}.py:{n}:    assert compute({n}) == {n}"),
        table("-rw-r--r-- 1 root root {n} 2025-11-25 19:10:{n:02d}.000000000 +0000 frame_{n}.png"),
        table("2025-11-25 19:10:{n:02d},sensor,{n}.5,{n}.7"),
        table(" {n} | 2025-11-25 19:10:{n:02d} | paid | {n}.50"),
        table("2025-11-25 19:10:{n:02d} {n}.0000000000 ./photographs/photograph_{n}.jpg"),
        table("2025-11-25 19:10:{n:02d}      {n} photograph_{n}.jpg"),
        table("   0x00005555555551{n} <+{n}>:\tmov    rsp,QWORD PTR [rbp-0x{n}]"),
        table("00000000000011{n} T exported_function_{n}"),
        table("{n}\n00:00:{n:02d},000 --> 00:00:{n:02d},900\nAnd then there were {n}.\n"),
        "UID PID PPID C STIME TTY TIME CMD\n" + table("root {n} 2 0 Nov24 ? 00:00:{n:02d} [kworker-{name}]"),
        table("19:10:{n:02d}     all   {n}.50   0.{n}   9{n}.12"),
        table("a1b2c3d{n} (Jo Do 2025-11-25 19:10:{n:02d} +0000 {n}) return value"),
        table("INSERT INTO orders VALUES ({n}, '2025-11-25 19:10:{n:02d}', 'order placed');"),
        table("{n:6d}\tdef test_number_{n}(self):"),
        table("./data/part-{n}/file-{n}.csv"),
        table("    at com.example.Service.call(Service.java:{n})"),
        table("- item number {n} of the list"),
        table('{{"at": "2025-11-25T19:10:{n:02d}Z", "level": "info", "id": {n}, "name": "{name}", "ok": true}}'),
        json.dumps(
            [{"id": n, "created_at": f"2025-11-25 19:10:{n:02d}", "status": "open"} for n in range(40)], indent=1
        ),
        "+++ b/x\n@@ -1,60 +1,60 @@\n" + table("-    logged at {n}\n+    logged at {n}0"),
    ],
)
def test_what_is_no_log_stays(text):
    assert fold(text) == text


def test_a_marked_text_stays():
    text = fold(life(200))
    assert text.count(LEFT_OUT) == 1
    assert fold(text + life(200)) == text + life(200)


PARTS = st.sampled_from(
    [
        life(30),
        ODD,
        LOUD,
        LOUD * 25,
        "\tat com.example.A.b(A.java:3)\n" * 9,
        "\n",
        " \n",
        "lone \ud800\x00 sign\n",
        "é" * 20 + "\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=200))
def test_any_text(text):
    folded = fold(text)
    assert fold(text) == folded
    assert fold(folded) == folded
    assert len(folded) <= len(text)
    remaining = iter(text.split("\n"))
    for line in folded.split("\n"):
        assert line.startswith(LEFT_OUT) or line in remaining, "what stays is there in its order"


@pytest.mark.parametrize(
    "line",
    [
        "10:00:00 INFO " + "0a" * 400,
        "10:00:00 INFO " + "a" * 800,
        "10:00:00 INFO" + " x" * 400,
        "10:00:00 " + "0a0b-" * 200,
    ],
)
def test_a_megabyte_of_one_kind_of_line_is_linear(line):
    fold("\n".join(f"{line}{n}" for n in range(1_200)))  # quadratic work here would run into the suite's timeout
