"""Alternates, in rounds of one run: the upstream alone, a bare aiohttp relay, the gateway with `plugins: []`, and the
gateway as shipped. Prints medians over the rounds and ratios to the bare relay; a server has one core to itself where
the machine has two, and shares nothing with the load and the upstream on the other."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

import uvloop

from bench.overhead.load import Result, drive
from gateway.testing import tiers_yaml

_SHIPPED = ["gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"]
_WORDS = ["read", "the", "file", "and", "tell", "which", "of", "these", "tests", "fail", "why", "limit", "is", "kept"]
_TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """A process that serves on a port of loopback."""

    def __init__(self, name: str, port: int, command: list[str], core: int | None) -> None:
        self.name, self.port = name, port
        pin = ["taskset", "-c", str(core)] if core is not None else []
        self.process = subprocess.Popen([*pin, sys.executable, *command], stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1).read()
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    return
            except OSError:
                pass
            else:
                return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} did not become ready")

    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def resident_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def bodies(tokens: int, *, stream: bool) -> list[bytes]:
    """Chat bodies of about `tokens` tokens, each different, shaped as an agent's: system, user, call, result."""
    draw = random.Random(7)
    made = []
    for number in range(64):
        text = " ".join(draw.choice(_WORDS) for _ in range(max(8, tokens)))
        call = {"id": f"c{number}", "type": "function", "function": {"name": "read", "arguments": '{"path":"a.py"}'}}
        messages = [
            {"role": "system", "content": "You are a careful agent."},
            {"role": "user", "content": f"Task {number}: {text[: len(text) // 2]}"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{number}", "content": text[len(text) // 2 :]},
        ]
        made.append(json.dumps({"model": "large", "messages": messages, "stream": stream}).encode())
    return made


def servers(folder: Path, port: int) -> list[Server]:
    core, other = (1, 0) if (os.cpu_count() or 1) > 1 else (None, None)
    if other is not None:
        os.sched_setaffinity(0, {other})
    url = f"http://127.0.0.1:{port}/v1"
    upstream = Server("upstream alone", port, ["-m", "bench.overhead.upstream", str(port)], other)
    relay = Server("bare aiohttp relay", port + 1, ["-m", "bench.overhead.relay", str(port + 1), url], core)
    gateways = []
    for number, (name, plugins) in enumerate([("gateway, plugins: []", []), ("gateway as shipped", _SHIPPED)]):
        config = folder / f"{number}.yaml"
        ledger = {"url": f"sqlite:////{folder.as_posix().lstrip('/')}/{number}.db"}
        config.write_text(tiers_yaml(url, plugins=plugins, ledger=ledger))
        command = ["-m", "gateway", "serve", "--config", str(config), "--port", str(port + 2 + number)]
        gateways.append(Server(name, port + 2 + number, command, core))
    return [upstream, relay, *gateways]


def measure(server: Server, load: list[bytes], concurrency: int, seconds: float) -> dict[str, float]:
    cpu = server.cpu()
    result: Result = uvloop.run(drive(server.port, load, concurrency=concurrency, seconds=seconds))
    if result.errors:
        raise SystemExit(f"{server.name}: {result.errors} of {len(result.latencies)} answers were errors")
    return {
        "req/s": result.per_second,
        "CPU us/req": 1e6 * (server.cpu() - cpu) / len(result.latencies),
        "p50 ms": 1e3 * result.at(0.5),
        "p99 ms": 1e3 * result.at(0.99),
        "first byte p50 ms": 1e3 * result.at(0.5, result.first_bytes),
    }


def table(title: str, rows: dict[str, dict[str, float]]) -> None:
    base, alone = rows["bare aiohttp relay"], rows["upstream alone"]
    print(f"\n{title}\n")
    columns = ["server", "req/s", "of the relay", "CPU us/req", "of the relay", "added p50 ms", "added p99 ms"]
    print(f"| {' | '.join(columns)} | first byte p50 ms |\n{'|---' * (len(columns) + 1)}|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['req/s']:.0f} | {row['req/s'] / base['req/s']:.2f} | {row['CPU us/req']:.0f} | "
            f"{row['CPU us/req'] / base['CPU us/req']:.2f} | {row['p50 ms'] - alone['p50 ms']:.2f} | "
            f"{row['p99 ms'] - alone['p99 ms']:.2f} | {row['first byte p50 ms']:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load per server and round")
    parser.add_argument("--port", type=int, default=18700)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SCRIPTED_KEY"] = "sk-bench"
        all_servers = servers(Path(folder), arguments.port)
        try:
            for server in all_servers:
                server.wait()
            for title, load, concurrency in [
                ("1,000 tokens, whole answers, concurrency 10", bodies(1000, stream=False), 10),
                ("1,000 tokens, whole answers, concurrency 1", bodies(1000, stream=False), 1),
                ("1,000 tokens, streamed answers (13 events), concurrency 10", bodies(1000, stream=True), 10),
                ("60,000 tokens (about 300 KB), whole answers, concurrency 4", bodies(60_000, stream=False)[:16], 4),
            ]:
                rounds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
                for _ in range(arguments.rounds):
                    for server in all_servers:
                        for key, value in measure(server, load, concurrency, arguments.seconds).items():
                            rounds[server.name][key].append(value)
                table(title, {n: {k: statistics.median(v) for k, v in row.items()} for n, row in rounds.items()})
            print("\n| server | resident MB after the load |\n|---|---|")
            for server in all_servers[1:]:
                print(f"| {server.name} | {server.resident_mb():.0f} |")
        finally:
            for server in all_servers:
                server.stop()


if __name__ == "__main__":
    main()
