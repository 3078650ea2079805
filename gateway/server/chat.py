"""`POST /v1/chat/completions`: one call from the first byte in to the last byte out."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from gateway import wire
from gateway.api import Caller, Outcome, RefusedError, UpstreamError
from gateway.call import Call, Reply
from gateway.forward import deadline_passed
from gateway.pipeline import Pipeline, completed, outcome_of
from gateway.server.body import read_body
from gateway.server.front import FRONT, REQUEST_ID

_LAST_WORD_SECONDS = 2.0  # for the end of a stream, which a caller who stopped reading may never take

log = logging.getLogger("thriftgate.server")


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Identify, read, run, answer. However it ends, the call is closed: priced, recorded, settled."""
    front = request.app[FRONT]
    pipeline = front.pipeline
    id = request[REQUEST_ID]
    caller: Caller | None = None
    try:
        caller = front.auth.identify(request.headers)
        chat = wire.parse(await read_body(request, front.max_body), request.headers)
        pipeline.parts.deployments.resolve(chat.model)  # an unknown model is refused before there is a call
    except RefusedError as error:
        pipeline.refused(id, caller, error)
        raise
    async with pipeline.call(id, chat, caller) as call:
        reply = await pipeline.run(call)
        if reply.events is not None:
            return await _stream(request, pipeline, call, reply)
        await pipeline.close(call, completed(call))
    assert call.record is not None  # noqa: S101  # it is closed
    return web.Response(body=reply.body, content_type="application/json", headers=wire.record_headers(call.record))


async def _stream(request: web.Request, pipeline: Pipeline, call: Call, reply: Reply) -> web.StreamResponse:
    """Relay the events. The record is written before `[DONE]`: who has seen the end of a stream finds it recorded.

    Once the response has begun, every fault becomes an error event; only the caller's leaving is raised.
    """
    assert reply.events is not None  # noqa: S101  # asked for by the caller
    response = web.StreamResponse(headers=_stream_headers(call))
    fault: BaseException | None = None
    await response.prepare(request)
    try:
        async with asyncio.timeout_at(call.deadline):
            async for events in reply.events:
                await response.write(events)
    except TimeoutError:
        fault = deadline_passed(call)
    except ConnectionResetError:
        raise
    except Exception as error:  # noqa: BLE001  # the commit rule: shown below, whatever it is
        fault = error
    outcome: Outcome = outcome_of(fault, call) if fault is not None else completed(call)
    try:
        await pipeline.close(call, outcome)
    except Exception as error:  # noqa: BLE001  # as above
        fault = error
    await _say_last(request, response, fault, call.id)
    return response


async def _say_last(request: web.Request, response: web.StreamResponse, fault: BaseException | None, id: str) -> None:
    """End a stream: with the fault, if there was one, and in any case with `[DONE]`."""
    last = wire.DONE
    if fault is not None:
        _, body, _ = wire.error_body(fault)
        if not isinstance(fault, RefusedError | UpstreamError):
            log.error("request %s failed inside the gateway", id, exc_info=fault)
        last = wire.error_event(body) + wire.DONE
    try:
        async with asyncio.timeout(_LAST_WORD_SECONDS):
            await response.write_eof(last)
    except TimeoutError:
        if isinstance(request.transport, asyncio.Transport):
            request.transport.abort()


def _stream_headers(call: Call) -> dict[str, str]:
    assert call.plan is not None  # noqa: S101  # decided before it was forwarded
    assert call.serving is not None  # noqa: S101  # there is an answer
    tokens = (call.sizes.original, call.sizes.original - call.removed_tokens)
    return {
        **wire.decision_headers(call.serving, call.plan, call.complexity, tokens),
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-request-id": call.id,
    }
