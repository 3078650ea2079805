"""Agents that read system logs: of six formats, each with its common lines, a few rare ones, and questions about both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.context.scenes import Draw, Script
from bench.context.traces import Session

Line = Callable[[Draw, int], str]
LINES = 700


@dataclass(frozen=True)
class Format:
    """A log: how its lines begin, and what they say. The first of `common` are the most frequent; each of `rare` comes
    up once. A line's writer gets the seconds since midnight."""

    path: str
    head: Line
    common: tuple[Line, ...]
    rare: tuple[Line, ...]


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


SSHD = Format(
    "/var/log/auth.log",
    lambda d, s: f"Mar  4 {_clock(s)} gate-2 sshd[{d.randrange(900, 32000)}]: ",
    (
        lambda d, _: (
            f"Failed password for invalid user {d.name().lower()} from {d.address()} port {d.randrange(1024, 65000)} ssh2"
        ),
        lambda d, _: (
            f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={d.address()}"
        ),
        lambda d, _: f"Received disconnect from {d.address()}: 11: Bye Bye [preauth]",
        lambda d, _: f"Invalid user {d.name().lower()} from {d.address()}",
        lambda d, _: f"Connection closed by {d.address()} [preauth]",
    ),
    (
        lambda d, _: (
            f"Accepted publickey for {d.name().lower()} from {d.address()} port 40122 ssh2: ED25519 SHA256:{d.hex(40)}"
        ),
        lambda d, _: f"fatal: Write failed: Broken pipe [{d.address()}]",
        lambda d, _: (
            f"error: maximum authentication attempts exceeded for root from {d.address()} port 51777 ssh2 [preauth]"
        ),
    ),
)
ACCESS = Format(
    "/var/log/web/access.log",
    lambda d, s: f"{d.address()} - - [04/Mar/2031:{_clock(s)} +0000] ",
    (
        lambda d, _: (
            f'"GET /shop/{d.word()}/{d.randrange(9000)} HTTP/1.1" 200 {d.randrange(300, 90000)} "-" "Fetch/3.1 (X11; Linux x86_64)"'
        ),
        lambda d, _: (
            f'"GET /static/{d.hex(8)}.css HTTP/1.1" 304 0 "https://{d.name().lower()}.example/" "Fetch/3.1 (X11; Linux x86_64)"'
        ),
        lambda d, _: f'"POST /api/{d.word()} HTTP/1.1" 201 {d.randrange(90, 900)} "-" "courier/2.{d.randrange(9)}"',
    ),
    (
        lambda d, _: f'"POST /api/checkout?cart={d.uuid()} HTTP/1.1" 502 157 "-" "courier/2.4"',
        lambda d, _: f'"GET /admin/export?token={d.hex(16)} HTTP/1.1" 403 153 "-" "probe/0.1"',
    ),
)
BLOCKS = Format(
    "/var/log/store/node.log",
    lambda d, s: f"310304 {_clock(s).replace(':', '')} {d.randrange(20, 4000)} ",
    (
        lambda d, _: (
            f"INFO store.Node$Responder: block blk_{d.getrandbits(60)} of size {d.randrange(1, 67108865)} taken from /{d.address()}"
        ),
        lambda d, _: (
            f"INFO store.Node$Receiver: receiving block blk_{d.getrandbits(60)} src: /{d.address()}:{d.randrange(30000, 60000)} dest: /{d.address()}:50010"
        ),
        lambda d, _: (
            f"INFO store.Names: map updated: {d.address()}:50010 is added to blk_{d.getrandbits(60)} size {d.randrange(1, 67108865)}"
        ),
    ),
    (
        lambda d, _: (
            f"WARN store.Node: /{d.address()}:50010:got exception while serving blk_{d.getrandbits(60)} to /{d.address()}"
        ),
        lambda d, _: (
            f"ERROR store.Node$Writer: disk /data/{d.randrange(3, 9)} is full, {d.word()} blk_{d.getrandbits(60)} refused"
        ),
    ),
)
SERVICE = Format(
    "/srv/app/log/service.log",
    lambda d, s: f"2031-03-04 {_clock(s)},{d.randrange(1000):03} ",
    (
        lambda d, _: f"INFO  [http-{d.randrange(16)}] c.e.{d.word()}.Handler - request {d.uuid()} done in {d.randrange(2, 900)} ms, status 200",
        lambda d, _: f"DEBUG [pool-{d.randrange(4)}] c.e.db.Lease - connection {d.randrange(64)} returned after {d.randrange(1, 80)} ms",
        lambda d, _: f"INFO  [cron-1] c.e.{d.word()}.Sweeper - {d.randrange(90)} of {d.randrange(100, 400)} entries removed",
    ),
    (
        lambda d, _: f"ERROR [http-3] c.e.pay.Ledger - booking {d.uuid()} refused: limit {d.randrange(100, 999)}.50 passed",
        lambda d, _: "ERROR [pool-2] c.e.db.Lease - no connection\njava.util.concurrent.TimeoutException: waited 30000 ms\n"
        + "\n".join(f"\tat c.e.{d.word()}.{d.name()}.{d.function()}({d.name()}.java:{d.randrange(20, 900)})" for _ in range(14)),
        lambda d, _: f"WARN  [main] c.e.conf.Reader - key {d.word()}.{d.function()} is unknown and ignored",
    ),
)  # fmt: skip
CLUSTER = Format(
    "/var/log/pods/scheduler.log",
    lambda d, s: f"I0304 {_clock(s)}.{d.randrange(10**6):06}       1 ",
    (
        lambda d, _: (
            f'schedule.go:{d.choice((212, 341))}] "Bound pod" pod="shop/{d.word()}-{d.hex(9)}" node="n-{d.randrange(40)}" feasible={d.randrange(2, 40)}'
        ),
        lambda d, _: (
            f'probe.go:88] "Probe ok" pod="shop/{d.word()}-{d.hex(9)}" latency="{d.randrange(1, 90)}.{d.randrange(10)}ms"'
        ),
    ),
    (
        lambda d, _: (
            f'evict.go:57] "Evicting pod" pod="pay/{d.word()}-{d.hex(9)}" reason="MemoryPressure" usage="{d.randrange(900, 2000)}Mi"'
        ),
        lambda d, _: f'lease.go:19] "Lost the lease" holder="{d.uuid()}"',
    ),
)
JSON_LINES = Format(
    "/srv/worker/events.jsonl",
    lambda *_: "",
    (
        lambda d, s: json.dumps(
            {
                "ts": f"2031-03-04T{_clock(s)}Z",
                "level": "info",
                "msg": "job done",
                "job": d.uuid(),
                "ms": d.randrange(5, 4000),
            }
        ),
        lambda d, s: json.dumps(
            {
                "ts": f"2031-03-04T{_clock(s)}Z",
                "level": "debug",
                "msg": "heartbeat",
                "worker": f"w-{d.randrange(12)}",
                "queue": d.randrange(90),
            }
        ),
    ),
    (
        lambda d, s: json.dumps(
            {
                "ts": f"2031-03-04T{_clock(s)}Z",
                "level": "error",
                "msg": "job dropped",
                "job": d.uuid(),
                "cause": f"{d.function()} {d.name()}",
            }
        ),
    ),
)
FORMATS = (SSHD, ACCESS, BLOCKS, SERVICE, CLUSTER, JSON_LINES)


def sessions(draw: Draw) -> Iterator[Session]:
    for number, format in enumerate(FORMATS):
        yield _session(number, format, draw)


def _session(number: int, format: Format, draw: Draw) -> Session:
    lines, rare = log(format, draw, LINES)
    script = Script("gen_logs", number, "You look after servers. Use bash.", ["bash"])
    script.user(f"Something went wrong on this machine last night. Read {format.path} and tell me what stands out.")
    script.bash(f"wc -l {format.path}", f"{len(lines)} {format.path}")
    script.bash(f"tail -n {len(lines)} {format.path}", "\n".join(lines))
    script.answer(f"These lines stand out:\n{chr(10).join(rare)}", [_fact(line) for line in rare])
    script.user("Where does the last of these come from? Show the lines around it.")
    at = lines.index(rare[-1])
    around = lines[max(0, at - 15) : at + 15]
    script.bash(f"grep -n -C 15 -F '{_fact(rare[-1])}' {format.path}", "\n".join(around))
    script.answer(f"It follows: {around[0]}")
    for _ in range(3):
        chosen = draw.choice(lines)
        script.user(
            "One more thing for the report: tell me about the entry with " + chosen.split("\n")[0][:40] + " in it."
        )
        script.answer(f"That entry says {_fact(chosen)}.", [_fact(chosen)])
    return script.session()


def log(format: Format, draw: Draw, count: int) -> tuple[list[str], list[str]]:
    """The entries of a log, and those of them that are rare."""
    second, lines = draw.randrange(10_000), list[str]()
    places = dict(zip(sorted(draw.sample(range(count // 3, count), len(format.rare))), format.rare, strict=True))
    for at in range(count):
        second += draw.randrange(4)
        weights = [2.0**-n for n in range(len(format.common))]
        writer = places.get(at) or draw.choices(format.common, weights)[0]
        lines.append(format.head(draw, second) + writer(draw, second))
    return lines, [lines[at] for at in places]


def _fact(line: str) -> str:
    """What of a line names it best: its longest word."""
    return max(line.split("\n", maxsplit=1)[0].replace('"', " ").split(), key=len).strip(",;:[]{}()")
