"""The baseline: the least that an aiohttp gateway can do. Parse, set another model, dump, send, pass the answer on.

`python -m bench.overhead.relay PORT UPSTREAM_URL`
"""

from __future__ import annotations

import sys

import orjson
import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

SESSION: web.AppKey[ClientSession] = web.AppKey("session", ClientSession)


async def chat(request: web.Request) -> web.StreamResponse:
    body = orjson.loads(await request.read())
    body["model"] = "m"
    async with request.app[SESSION].post(
        f"{sys.argv[2]}/chat/completions",
        data=orjson.dumps(body),
        headers={"content-type": "application/json", "authorization": "Bearer sk-bench"},
    ) as answer:
        if body.get("stream") is not True:
            return web.Response(body=await answer.read(), content_type="application/json")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def session(app: web.Application):
    async with ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar()) as app[SESSION]:
        yield


def make() -> web.Application:
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/livez", lambda _: web.Response())
    app.router.add_get("/readyz", lambda _: web.Response())
    app.cleanup_ctx.append(session)
    return app


if __name__ == "__main__":
    uvloop.install()
    web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
