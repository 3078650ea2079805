"""What arrives before there is a request: bytes that are no HTTP, and the wish to be told to go on.

aiohttp answers both by itself, in plain text, and logs a traceback that quotes the line at fault, which may be the
one with the caller's key. Here they get OpenAI's error object, and the log a line without anything of theirs.
"""

from __future__ import annotations

import logging

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway import wire
from gateway.server.front import FRONT

log = logging.getLogger("thriftgate.server")


class Runner(web.AppRunner):
    """Runs an application over connections of our own."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,  # noqa: SLF001  # aiohttp has no other way to another kind of connection
            **made._kwargs,  # noqa: SLF001  # as above
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        fault = exc.message.partition(":")[0].strip()  # behind it the line is quoted
        log.info("%s sent what is no HTTP request: %s", request.remote, fault)
        body = wire.error_object(
            f"This is no HTTP request: {fault}.", type="invalid_request_error", code="invalid_request"
        )
        response = web.Response(status=status, body=wire.dumps(body), content_type="application/json")
        response.force_close()
        return response


async def go_on(request: web.Request) -> None:
    """Answers `Expect: 100-continue` where the body is not too large to be wanted. Other expectations count for
    nothing."""
    size, limit = request.content_length, request.app[FRONT].max_body
    expected = request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"
    if expected and (size is None or size <= limit):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun
