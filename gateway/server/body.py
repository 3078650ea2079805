"""Reading a request's body: bounded in size (compressed or not) and in time."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from gateway.api import BadRequest

_READ_SECONDS = 60.0
_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(request: web.Request, limit: int) -> bytes:
    """The body, decompressed. Raises `BadRequest`: 413 above `limit` bytes, 408 when it comes too slowly, 415 for an
    encoding other than gzip and deflate, 400 when it is not what its encoding says."""
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    if request.content.is_eof():  # all of it has arrived: nothing to wait for
        raw = await _all_of(request, limit)
    else:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                raw = await _all_of(request, limit)
        except TimeoutError as error:
            raise BadRequest(
                f"The request body did not arrive within {_READ_SECONDS:g} seconds.", status=408, code="request_timeout"
            ) from error
    return _decompressed(raw, request.headers.get("Content-Encoding", "identity").strip().lower(), limit)


async def _all_of(request: web.Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _decompressed(raw: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("", "identity"):
        return raw
    window = _WINDOW.get(encoding)
    if window is None:
        raise BadRequest(
            f"Content-Encoding `{encoding}` is not supported; send gzip, deflate or none.",
            status=415,
            code="unsupported_content_encoding",
        )
    inflater = zlib.decompressobj(window)
    try:
        text = inflater.decompress(raw, limit + 1)
    except zlib.error as error:
        raise BadRequest(f"The body is not valid {encoding}: {error}.", code="invalid_content_encoding") from error
    if len(text) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise BadRequest(f"The {encoding} body ends too early.", code="invalid_content_encoding")
    if inflater.unused_data:
        raise BadRequest(f"Something stands behind the {encoding} body.", code="invalid_content_encoding")
    return text


def _too_large(limit: int) -> BadRequest:
    return BadRequest(
        f"The request body is larger than {limit / 2**20:g} MB (`server.max_body_mb`).",
        status=413,
        code="request_too_large",
    )
