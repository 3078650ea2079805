"""`POST /v1/chat/completions`: one call from the first byte in to the last byte out."""

from __future__ import annotations

from aiohttp import web

from gateway import wire
from gateway.api import Caller, Cancelled, ChatRequest, Completed, Failed, Outcome, Refused, RefusedError, UpstreamError
from gateway.call import Call, Reply
from gateway.pipeline import Pipeline
from gateway.server.body import read_body
from gateway.server.front import FRONT, REQUEST_ID


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Identify, read, run, answer. However it ends, the call is closed: priced, recorded, settled."""
    front = request.app[FRONT]
    pipeline = front.pipeline
    id = request[REQUEST_ID]
    caller: Caller | None = None
    try:
        caller = front.auth.identify(request.headers)
        chat = await _read(request)
        call = await pipeline.open(id, chat, caller)
    except RefusedError as error:
        pipeline.refused(id, caller, _refused(error))
        raise
    outcome: Outcome = Cancelled("waiting")
    try:
        reply = await pipeline.run(call)
        if reply.events is not None:
            return await _stream(request, pipeline, call, reply)
        outcome = Completed(call.finish_reason)
        await pipeline.close(call, outcome)
        assert call.record is not None  # noqa: S101  # closed the line before
        return web.Response(body=reply.body, content_type="application/json", headers=wire.record_headers(call.record))
    except RefusedError as error:
        outcome = _refused(error)
        raise
    except UpstreamError as error:
        outcome = _failed(error)
        raise
    except Exception as error:
        outcome = Failed(status=500, code="internal_error", message=type(error).__name__)
        raise
    finally:
        await pipeline.close(call, outcome)


async def _read(request: web.Request) -> ChatRequest:
    raw = await read_body(request, request.app[FRONT].max_body)
    return wire.parse(raw, request.headers)


async def _stream(request: web.Request, pipeline: Pipeline, call: Call, reply: Reply) -> web.StreamResponse:
    """Relay the events. The record is written before `[DONE]`: who has seen the end of a stream finds it recorded."""
    assert reply.events is not None  # noqa: S101  # asked for by the caller
    assert call.plan is not None  # noqa: S101  # decided before it was forwarded
    assert call.serving is not None  # noqa: S101  # there is an answer
    trimmed = sum(edit.tokens_removed for edit in call.edits) if call.trimmed else 0
    headers = wire.decision_headers(call.serving, call.plan, call.complexity, trimmed)
    response = web.StreamResponse(headers={**headers, "cache-control": "no-cache", "x-request-id": call.id})
    response.content_type = "text/event-stream"
    outcome: Outcome = Cancelled("streaming")
    last = wire.DONE
    try:
        await response.prepare(request)
        async for event in reply.events:
            await response.write(event)
        outcome = Completed(call.finish_reason)
    except UpstreamError as error:
        outcome = _failed(error, committed=True)
        last = wire.error_event(wire.error_body(error)[1]) + wire.DONE
    finally:  # also when the caller has left: aiohttp cancels the handler, or writing fails
        await pipeline.close(call, outcome)
    await response.write(last)
    await response.write_eof()
    return response


def _refused(error: RefusedError) -> Refused:
    return Refused(status=error.status, code=error.code, message=error.message)


def _failed(error: UpstreamError, *, committed: bool = False) -> Failed:
    status, body, _ = wire.error_body(error)
    code = body["error"]["code"] or error.fault
    return Failed(status=status, code=code, message=error.message, committed=committed)
