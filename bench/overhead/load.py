"""A load of keep-alive connections, each one asyncio protocol that sends the next request when an answer is whole."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Result:
    """Latencies and first-byte times in seconds, `seconds` of wall time for all of them."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def at(self, share: float, of: list[float] | None = None) -> float:
        ordered = sorted(self.latencies if of is None else of)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection(asyncio.Protocol):
    def __init__(self, requests: list[bytes], until: float, result: Result, start: int) -> None:
        self.requests, self.until, self.result, self.number = requests, until, result, start
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def _next(self) -> None:
        self.sent = time.perf_counter()
        if self.sent >= self.until:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.buffer = b""
        self.number += 1
        self.transport.write(self.requests[self.number % len(self.requests)])

    def data_received(self, data: bytes) -> None:
        if not self.buffer:
            self.first = time.perf_counter()
        self.buffer += data
        if self._whole():
            now = time.perf_counter()
            self.result.errors += not self.buffer.startswith(b"HTTP/1.1 200")
            self.result.latencies.append(now - self.sent)
            self.result.first_bytes.append(self.first - self.sent)
            self._next()

    def _whole(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        if at >= 0:
            return len(self.buffer) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return self.buffer.endswith(b"0\r\n\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.result.errors += 1
            self.done.set_result(None)


async def drive(port: int, bodies: list[bytes], *, concurrency: int, seconds: float) -> Result:
    """`concurrency` connections that ask for `seconds`."""
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    began = time.perf_counter()
    result = Result(seconds=0.0)
    loop = asyncio.get_running_loop()
    connections = [
        (
            await loop.create_connection(
                lambda n=n: _Connection(requests, began + seconds, result, n * 7), "127.0.0.1", port
            )
        )[1]
        for n in range(concurrency)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    result.seconds = time.perf_counter() - began
    return result
