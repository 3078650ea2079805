"""`GET /v1/requests/{id}`: the whole record of a call. `POST /v1/explain`: what would be decided, calling no one."""

from __future__ import annotations

from aiohttp import web

from gateway import wire
from gateway.api import BadRequest
from gateway.server.body import read_body
from gateway.server.front import FRONT, REQUEST_ID


async def get_record(request: web.Request) -> web.Response:
    """A caller sees its own calls, an admin everybody's."""
    front = request.app[FRONT]
    caller = front.auth.identify(request.headers)
    id = request.match_info["id"]
    record = await front.ledger.get(id)
    if record is None or not (front.auth.is_admin(request.headers) or record["caller"] == caller.name):
        raise BadRequest(f"No request `{id}` is on record.", status=404, code="request_not_found")
    return web.Response(body=wire.dumps(record), content_type="application/json")


async def explain(request: web.Request) -> web.Response:
    """The decision for a chat-completions body: score and factors, candidates with expected dollars, and the cut."""
    front = request.app[FRONT]
    caller = front.auth.identify(request.headers)
    chat = wire.parse(await read_body(request, front.max_body), request.headers)
    pipeline = front.pipeline
    explanation = await pipeline.explain(request[REQUEST_ID], chat, caller)
    return web.Response(body=wire.dumps(explanation), content_type="application/json")
