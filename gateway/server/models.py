"""`GET /v1/models` and `GET /v1/models/{id}`: what a caller may write into `model`."""

from __future__ import annotations

from aiohttp import web

from gateway import wire
from gateway.api import Asked, Json
from gateway.server.front import FRONT


async def list_models(request: web.Request) -> web.Response:
    front = request.app[FRONT]
    front.auth.identify(request.headers)
    deployments = front.pipeline.parts.deployments
    data = [_model(deployments.resolve(name)) for name in deployments.names() if not name.endswith("*")]
    return web.Response(body=wire.dumps({"object": "list", "data": data}), content_type="application/json")


async def get_model(request: web.Request) -> web.Response:
    front = request.app[FRONT]
    front.auth.identify(request.headers)
    asked = front.pipeline.parts.deployments.resolve(request.match_info["id"])
    return web.Response(body=wire.dumps(_model(asked)), content_type="application/json")


def _model(asked: Asked) -> Json:
    """OpenAI's model object. `created` is 0: providers do not tell when a model was made."""
    owner = asked.provider if asked.kind in ("deployment", "known") else None
    return {"id": asked.name, "object": "model", "created": 0, "owned_by": owner or "thriftgate"}
