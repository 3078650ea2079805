"""The HTTP application: its routes, and the middleware that gives each request an id and each error its object."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from gateway import wire
from gateway.api import BadRequest, RefusedError, Unavailable, UpstreamError
from gateway.server import chat, health, models, records
from gateway.server.front import FRONT, IN_FLIGHT, REQUEST_ID, Front, InFlight
from gateway.server.runner import go_on

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_HEALTH = ("/livez", "/readyz", "/healthz", "/health/liveliness", "/health/readiness")

log = logging.getLogger("thriftgate.server")


def create_app(front: Front, surfaces: Iterable[web.AbstractRouteDef]) -> web.Application:
    """The application of a gateway. `surfaces` are the plugins' routes; they need an admin's key where keys exist."""
    app = web.Application(middlewares=[_answer_errors, _admit])
    app[FRONT] = front
    app[IN_FLIGHT] = InFlight()
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat.chat_completions, expect_handler=go_on),
            web.get("/v1/models", models.list_models),
            web.get("/v1/models/{id:.+}", models.get_model),
            web.get("/v1/requests/{id}", records.get_record),
            web.post("/v1/explain", records.explain, expect_handler=go_on),
            web.get("/livez", health.live),
            web.get("/health/liveliness", health.live),
            web.get("/readyz", health.ready),
            web.get("/healthz", health.ready),
            web.get("/health/readiness", health.ready),
        ]
    )
    app.add_routes([_for_admins(route) for route in surfaces])
    return app


def new_request_id() -> str:
    """An id that sorts by time: milliseconds since 1970 in hex, then 80 random bits."""
    return f"req_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error leaves as OpenAI's error object, with the request's id."""
    id = request[REQUEST_ID] = new_request_id()
    try:
        response = await handler(request)
    except (RefusedError, UpstreamError) as error:
        return _error_response(error, id)
    except web.HTTPException as error:
        response = _error_response(_of_http(error, request), id)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except ConnectionResetError:
        raise  # the caller left: there is nobody to answer
    except Exception as error:  # the last line of defence: the caller gets an answer, the log gets the fault
        log.exception("request %s failed inside the gateway", id)
        return _error_response(error, id)
    if not response.prepared:
        response.headers["x-request-id"] = id
    return response


@web.middleware
async def _admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """New work is refused while the gateway drains (looking is not work); what is admitted counts as in flight."""
    if request.path in _HEALTH:
        return await handler(request)
    front, in_flight = request.app[FRONT], request.app[IN_FLIGHT]
    if front.draining and request.method == "POST":
        raise Unavailable("The gateway is shutting down; ask another replica.", code="draining")
    in_flight.count += 1
    try:
        return await handler(request)
    finally:
        in_flight.count -= 1


def _for_admins(route: web.AbstractRouteDef) -> web.AbstractRouteDef:
    if not isinstance(route, web.RouteDef):
        raise TypeError(f"a surface may add routes only, not {type(route).__name__}")
    inner = route.handler

    async def guarded(request: web.Request) -> web.StreamResponse:
        request.app[FRONT].auth.require_admin(request.headers)
        return await inner(request)

    return web.route(route.method, route.path, guarded, **route.kwargs)


def _of_http(error: web.HTTPException, request: web.Request) -> RefusedError:
    if error.status == web.HTTPNotFound.status_code:
        hint = f" It is /v1{request.path}: does the client's base URL end in /v1?" if _exists(request) else ""
        return BadRequest(f"No route {request.method} {request.path}.{hint}", status=404, code="unknown_url")
    if error.status == web.HTTPMethodNotAllowed.status_code:
        return BadRequest(f"{request.path} does not take {request.method}.", status=405, code="method_not_allowed")
    return BadRequest(error.reason, status=error.status, code="invalid_request")


def _exists(request: web.Request) -> bool:
    """Whether there is a route of this path under `/v1`: the commonest mistake with a base URL."""
    under = f"/v1{request.path}"
    return any(resource.canonical == under for resource in request.app.router.resources())


def _error_response(error: Exception, id: str) -> web.Response:
    status, body, headers = wire.error_body(error)
    return web.Response(
        status=status, body=wire.dumps(body), content_type="application/json", headers={**headers, "x-request-id": id}
    )
