"""Opens connections: looks the name up, takes the first of its addresses that answers, speaks TLS where it must."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import aiohappyeyeballs
import certifi

from gateway.upstream.address import Origin
from gateway.upstream.connection import Connection, Home
from gateway.upstream.faults import broken

_NAMES_LIVE = 60.0
_MOST_NAMES = 256
_HEAD_START = 0.25  # seconds until the next address of a name is tried beside the one that does not answer


class Dialer:
    """`home` is where its connections belong."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._loop = asyncio.get_running_loop()
        self._names: dict[Origin, tuple[float, list[aiohappyeyeballs.AddrInfoType]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def open(self, origin: Origin, within: float) -> Connection:
        """A new connection within `within` seconds: name, TCP and TLS. Raises `UpstreamError`."""
        try:
            async with asyncio.timeout(within):
                return await self._open(origin)
        except OSError as error:
            self._names.pop(origin, None)  # it may have moved
            raise broken("connect", f"no connection to the upstream ({type(error).__name__})") from None
        except ValueError:  # a name that no name service takes
            raise broken("connect", "the upstream's address cannot be used", retryable=False) from None

    async def _open(self, origin: Origin) -> Connection:
        tls = await self._context() if origin.scheme == "https" else None
        sock = await aiohappyeyeballs.start_connection(
            await self._addresses(origin), happy_eyeballs_delay=_HEAD_START, interleave=1, loop=self._loop
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = origin.host.rstrip(".") if tls is not None else None
        _, connection = await self._loop.create_connection(
            lambda: Connection(origin, self._home), sock=sock, ssl=tls, server_hostname=name
        )
        return connection

    async def _addresses(self, origin: Origin) -> list[aiohappyeyeballs.AddrInfoType]:
        """The addresses of a name, each in its turn the first."""
        known = self._names.get(origin)
        if known is None or known[0] < self._loop.time():
            found = await self._loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
            while len(self._names) >= _MOST_NAMES:
                self._names.pop(next(iter(self._names)))
            known = self._names[origin] = (self._loop.time() + _NAMES_LIVE, list(found))
        addresses = known[1]
        addresses.append(addresses.pop(0))
        return addresses[-1:] + addresses[:-1]

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(_trusting_the_system)  # it reads and parses some hundred certificates
        return self._tls


def _trusting_the_system() -> ssl.SSLContext:
    """Trusts what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise), and certifi's list where the
    system has none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not context.get_ca_certs() and not (paths.capath and any(Path(paths.capath).iterdir())):
        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
