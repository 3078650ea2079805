"""The real process: start, serve, reload, drain, start again."""

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest
import yaml
from openai import AsyncOpenAI

from gateway.testing import tiers_yaml
from gateway.upstream.scripted_dialects import Counts

AS_ASKED = {"x-thriftgate-route": "off"}
ERRORS = {
    400: openai.BadRequestError,
    401: openai.InternalServerError,  # the gateway's key is wrong, not the caller's: 502
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}
HELLO = [{"role": "user", "content": "Say hello."}]
SHIPPED = ["gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"]


class Process:
    """`thriftgate serve` as a child process; its standard error is kept line by line."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.lines: list[str] = []
        self.news = asyncio.Condition()
        self.root = ""

    async def read(self) -> None:
        while line := await self.child.stderr.readline():
            async with self.news:
                self.lines.append(line.decode())
                self.news.notify_all()

    async def said(self, pattern: str) -> re.Match:
        """Wait for a line, however long it takes."""
        async with self.news:
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                await self.news.wait()

    async def get(self, path: str) -> tuple[int, dict]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.root}{path}") as got:
            return got.status, await got.json()

    async def ready(self) -> None:
        while (await self.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.05)

    def client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.root}/v1", api_key="sk-any", max_retries=0)


@asynccontextmanager
async def serving(config):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(config), "--port", "0",
        stderr=asyncio.subprocess.PIPE, env={**os.environ, "SCRIPTED_KEY": "sk-scripted"}, cwd=config.parent,
    )  # fmt: skip
    process = Process(child)
    reading = asyncio.ensure_future(process.read())
    try:
        process.root = (await process.said(r"listens on (\S+)"))[1]
        yield process
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        await reading


async def test_the_life_of_a_process(upstream, tmp_path):
    config = tmp_path / "tiers.yaml"
    config.write_text(tiers_yaml(upstream.url, plugins=SHIPPED))
    async with serving(config) as process:
        assert (await process.get("/livez"))[0] == 200  # before the provider layer is loaded
        await process.ready()
        async with process.client() as client:
            first = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
            assert first.headers["x-thriftgate-model"] in ("small", "middle")

            config.write_text(config.read_text() + "\nnonsense: 1\n")
            await process.said(r"is bad, the old configuration stays in force")
            await client.chat.completions.create(model="auto", messages=HELLO)

            config.write_text(tiers_yaml(upstream.url, routing={"rewrite": "never", "default_tier": "strong"}))
            await process.said(r"tiers.yaml is in force")
            reloaded = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
            assert reloaded.headers["x-thriftgate-model"] == "large"

            count = len([line for line in process.lines if "is in force" in line])
            process.child.send_signal(signal.SIGHUP)
            while len([line for line in process.lines if "is in force" in line]) == count:
                await asyncio.sleep(0.05)

            # Told to stop in the middle of a stream: it ends as it would have, and nothing new is let in.
            upstream.reply(chunks=tuple(f"{n} " for n in range(20)), gap=0.05)
            stream = await client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, stream=True)
            process.child.send_signal(signal.SIGTERM)
            while (await process.get("/readyz"))[0] == 200:
                await asyncio.sleep(0.01)
            async with aiohttp.ClientSession() as http:
                async with http.post(f"{process.root}/v1/chat/completions", json={}) as refused:
                    assert refused.status == 503
                    assert "retry-after" in refused.headers
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream.parse()])
            assert text.split() == [str(n) for n in range(20)]
        assert await process.child.wait() == 0

    async with serving(config) as process:
        for raw in (first, reloaded, stream):
            status, record = await process.get(f"/v1/requests/{raw.headers['x-request-id']}")
            assert status == 200
            assert record["outcome"]["kind"] == "completed"


async def test_an_agents_day_in_the_real_process(upstream, tmp_path):
    """Chat, stream, a tool loop of three turns, a JSON schema, an error of each class, a fallback, a restart."""
    config = tmp_path / "tiers.yaml"
    config.write_text(tiers_yaml(upstream.url, plugins=SHIPPED))
    ids: dict[str, str] = {}
    async with serving(config) as process:
        await process.ready()
        async with process.client() as client:

            async def ask(label: str, **how):
                raw = await client.chat.completions.with_raw_response.create(
                    **{"model": "auto", "messages": HELLO, **how}
                )
                ids[raw.headers["x-request-id"]] = label
                return raw.parse()

            upstream.reply(text="hello")
            assert (await ask("chat")).choices[0].message.content == "hello"

            upstream.reply(chunks=("he", "llo"))
            chunks = [chunk async for chunk in await ask("stream", stream=True)]
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello"

            tool = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
            messages = [{"role": "user", "content": "Read a and b."}]
            for name in ("a", "b"):
                upstream.reply(tool_calls=(("read", {"file": name}),), finish="tool_calls")
                message = (await ask("tool turn", messages=messages, tools=[tool])).choices[0].message
                messages.append(message.model_dump(exclude_none=True))
                [call] = message.tool_calls
                messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{name} is empty"})
            upstream.reply(text="Both are empty.")
            answer = await ask("tool turn", messages=messages, tools=[tool])
            assert answer.choices[0].message.content == "Both are empty."

            schema = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}}
            upstream.reply(json={"x": 1})
            assert (await ask("schema", response_format=schema)).choices[0].message.content == '{"x":1}'

            for status, error in ERRORS.items():
                for _ in range(4):
                    upstream.reply(status=status, error={"message": "no luck", "code": "c"})
                with pytest.raises(error) as caught:
                    await client.chat.completions.create(model="small", messages=HELLO, extra_headers=AS_ASKED)
                ids[caught.value.response.headers["x-request-id"]] = "error"
                upstream.forget()
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="nobody", messages=HELLO)
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(model="auto", messages=[])

            for _ in range(2):
                upstream.reply(status=500, error={"message": "broken"})
            upstream.reply(text="from another")
            assert (await ask("fallback", model="large")).choices[0].message.content == "from another"
        process.child.send_signal(signal.SIGTERM)
        assert await process.child.wait() == 0

    async with serving(config) as process:
        for id, label in ids.items():
            status, record = await process.get(f"/v1/requests/{id}")
            assert status == 200, label
            assert record["outcome"]["kind"] == ("failed" if label == "error" else "completed")
            assert (record["cost_usd"] > 0) is (label != "error")


async def test_claude_caches_an_agents_prompt_that_nobody_marked(upstream, tmp_path):
    """Trimmed, marked, sent, recorded and counted by the real process."""
    config = tmp_path / "tiers.yaml"
    text = yaml.safe_load(tiers_yaml(upstream.url, plugins=["gateway_reduce", "gateway_prometheus"]))
    [model] = text["tiers"]["base"]["models"]
    price = {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75}
    model |= {"model": "anthropic/claude-sonnet-4-5", "api_base": upstream.root, "price": price}
    config.write_text(yaml.safe_dump(text))
    tool = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Read it."}]
    noise = "\x1b[32mok\x1b[0m, as all the lines before it\n" * 300
    async with serving(config) as process:
        await process.ready()
        async with process.client() as client:
            for turn, usage in enumerate((Counts(5_000, 10, 0, 4_990), Counts(6_000, 10, 4_990, 1_000))):
                call = {"id": f"c{turn}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": noise})
                upstream.reply(text="go on", usage=usage)
                raw = await client.chat.completions.with_raw_response.create(
                    model="middle", messages=messages, tools=[tool]
                )
                sent = upstream.calls[-1].body
                assert sent["system"][-1]["cache_control"] == {"type": "ephemeral"}
                assert sent["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
                assert upstream.calls[-1].raw.count(b"cache_control") == 2
        before, after = (int(raw.headers[f"x-thriftgate-tokens-{name}"]) for name in ("before", "after"))
        assert before > after == 6_000
        _, record = await process.get(f"/v1/requests/{raw.headers['x-request-id']}")
        assert record["savings"]["cache"] == pytest.approx((4_990 * 2.7 - 1_000 * 0.75) / 1e6)
        async with aiohttp.ClientSession() as http, http.get(f"{process.root}/metrics") as got:
            counted = await got.text()
    assert 'thriftgate_prompt_tokens_total{stage="after"} 11000.0' in counted


async def test_a_killed_process_has_every_acknowledged_call_on_record(upstream, tmp_path):
    config = tmp_path / "tiers.yaml"
    config.write_text(tiers_yaml(upstream.url))
    acknowledged: list[str] = []
    async with serving(config) as process:
        await process.ready()

        async def ask() -> None:
            async with process.client() as client:
                while True:
                    raw = await client.chat.completions.with_raw_response.create(model="small", messages=HELLO)
                    acknowledged.append(raw.headers["x-request-id"])

        asking = [asyncio.ensure_future(ask()) for _ in range(4)]
        while len(acknowledged) < 60:
            await asyncio.sleep(0.01)
        process.child.kill()
        await asyncio.gather(*asking, return_exceptions=True)
    assert len(acknowledged) >= 60
    async with serving(config) as process:
        for id in acknowledged:
            status, record = await process.get(f"/v1/requests/{id}")
            assert status == 200, f"{id} is lost"
            assert record["cost_usd"] > 0
