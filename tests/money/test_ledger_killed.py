"""A real process that writes, killed without warning: what it acknowledged is there, once, and the file is sound."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from gateway.money import SqliteLedger

_WRITER = """
import asyncio, os, sys, time
from gateway.api import CallRecord, Completed
from gateway.money import SqliteLedger

async def write(ledger, id):
    await ledger.write(CallRecord(id=id, started=time.time(), duration=0.1, outcome=Completed("stop"), caller="c",
        session="s", client="t", dialect="chat", stream=False, asked="auto", cost_usd=0.001, reason="x" * 500))
    os.write(1, (id + "\\n").encode())

async def one(ledger, lane):
    n = 0
    while True:
        await write(ledger, f"{lane}-{n}")
        n += 1

async def main():
    ledger = SqliteLedger(sys.argv[1], time.time)
    await ledger.open()
    await asyncio.gather(*(one(ledger, lane) for lane in range(20)))

asyncio.run(main())
"""


async def test_every_acknowledged_record_survives_a_kill(ledger_file: Path, clock) -> None:
    url = f"sqlite:///{ledger_file}"
    acknowledged: set[str] = set()
    with subprocess.Popen(  # noqa: S603, ASYNC220 - our own interpreter and script; nothing else runs on this loop
        [sys.executable, "-c", _WRITER, url], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.add(line.decode().strip())
            if len(acknowledged) == 1_500:
                process.kill()
                break
        # what it still said before it died counts as well; the last line may be cut
        acknowledged.update(line.decode().strip() for line in process.stdout if line.endswith(b"\n"))
    assert process.returncode == -signal.SIGKILL

    ledger = SqliteLedger(url, clock)
    await ledger.open()
    file = sqlite3.connect(ledger_file)
    stored = [key for (key,) in file.execute("SELECT id FROM calls")]
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
    assert len(acknowledged) >= 1_500
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    assert (await ledger.totals(0)).calls == len(stored)
    await ledger.close()
