"""Health routes: no key, no upstream call."""

from __future__ import annotations

from aiohttp import web

from gateway.server.front import FRONT


async def live(_request: web.Request) -> web.Response:
    """200 as long as the process answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """200 when requests are served, 503 with the reason while starting and draining."""
    reason = request.app[FRONT].not_ready
    if reason is not None:
        return web.json_response({"status": "unavailable", "reason": reason}, status=503)
    return web.json_response({"status": "ok"})
