"""What goes wrong at the worst moment: each of these once lost money, a record, or the gateway."""

import asyncio
import json
import sys
import textwrap

import aiohttp
import pytest
import yaml

from gateway.api import Listener, TierUpgraded
from gateway.compose.serve import fixed_at_start, reload_file
from gateway.money import LedgerError
from gateway.testing import Running, running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

HELLO = [{"role": "user", "content": "Say hello."}]
BUDGET = {"default": {"limit_usd": 1, "period": "day"}}

SOURCE = """
    import asyncio
    from gateway.api import *

    class NoApologies(Plugin, Verifier):
        def verify(self, request, answer):
            return Verdict("sorry" not in answer.text, "an apology is no answer")

    class AllUp(Plugin, Router):
        def route(self, request, complexity, view):
            return RoutePlan(view.deployments, view.deployments[0].tier, "from the bottom up")

    class Heartbeat(Plugin, StreamFilter):
        async def filter(self, chunks, call):
            waiting = asyncio.ensure_future(anext(chunks, None))
            while True:
                done, _ = await asyncio.wait([waiting], timeout=0.1)
                if not done:
                    yield b": still here\\n\\n"
                    continue
                event = waiting.result()
                if event is None:
                    return
                yield event
                waiting = asyncio.ensure_future(anext(chunks, None))

    class StopsEarly(Plugin, StreamFilter):
        async def filter(self, chunks, call):
            count = 0
            async for chunk in chunks:
                yield chunk
                count += 1
                if count == 5:
                    return

    class Hangs(Plugin, Listener):
        async def on_event(self, event):
            await asyncio.Event().wait()

    class BadStart(Plugin, Guard):
        async def start(self):
            raise RuntimeError("no luck")
        async def check(self, request, call): ...
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "hard_plugins.py").write_text(textwrap.dedent(SOURCE))
    (tmp_path / "hard_syntax.py").write_text("class :")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("hard_plugins", None)


@pytest.fixture
def text(home, upstream):
    def write(*plugins: str, **sections) -> str:
        names = [f"hard_plugins:{name}" for name in plugins]
        return tiers_yaml(upstream.url, plugins=names, plugin_path=str(home), **sections)

    return write


async def post(gateway: Running, body: dict, **how) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.post(f"{gateway.url}/chat/completions", json=body, **how) as got:
        return got.status, await got.text()


async def record_of(gateway: Running) -> dict:
    while not (records := await gateway.gateway.ledger.recent(1)):
        await asyncio.sleep(0.01)
    return records[0]


def held(gateway: Running) -> float:
    return sum(budget.reserved_usd for budget in gateway.gateway.budgets.status())


async def test_a_filter_still_at_work_when_the_caller_leaves_keeps_no_call_off_the_record(text, upstream):
    upstream.reply(chunks=("a", "b", "c", "d"), gap=0.5)
    async with running(text("Heartbeat", budgets=BUDGET)) as gateway:
        async with aiohttp.ClientSession() as http:
            got = await http.post(f"{gateway.url}/chat/completions", json=stream_body())
            await got.content.readany()
            got.close()
        record = await record_of(gateway)
        assert record["outcome"]["kind"] == "cancelled"
        assert record["cost_usd"] > 0
        assert held(gateway) == 0


async def test_a_filter_that_ends_a_stream_early_does_not_end_the_bill(text, upstream):
    upstream.reply(chunks=tuple(f"word{n} " for n in range(200)), gap=0.01)
    async with running(text("StopsEarly")) as gateway:
        await post(gateway, stream_body())
        record = await record_of(gateway)
        assert record["usage"]["estimated"] is True
        assert record["usage"]["output"] > 0


async def test_a_doubtful_answer_is_given_when_the_deadline_ends_the_search_for_a_better_one(text, upstream):
    upstream.reply(text="sorry", usage=Counts(prompt=1000, completion=500))
    for _ in range(2):
        upstream.reply(text="late", delay=30)
    async with running(text("NoApologies", "AllUp", server={"request_timeout": 1})) as gateway:
        status, answer = await post(gateway, {"model": "small", "messages": HELLO})
        assert status == 200
        assert "sorry" in answer
        record = await record_of(gateway)
        first, second, _ = record["attempts"]
        results = [attempt["result"] for attempt in record["attempts"]]
        assert results == ["rejected", "upstream_timeout", "deadline_exceeded"]
        assert record["usage"]["output"] == 500
        assert record["deployment"] == "small"
        assert first["cost_usd"] == pytest.approx((1000 * 0.1 + 500 * 0.4) / 1e6)
        assert second["cost_usd"] > 0


async def test_a_failing_ledger_is_told_inside_the_stream_and_stops_the_spending(text, upstream, monkeypatch):
    async with running(text(budgets=BUDGET)) as gateway:

        async def no_room(_record):
            raise LedgerError("the disk is full")

        monkeypatch.setattr(gateway.gateway.ledger, "write", no_room)
        status, stream = await post(gateway, stream_body())
        assert status == 200
        assert "HTTP/1.1" not in stream
        assert json.loads(stream.split("data: ")[-2])["error"]["code"] == "ledger_unavailable"
        assert stream.endswith("data: [DONE]\n\n")
        assert len(upstream.calls) == 1
        async with aiohttp.ClientSession() as http:
            url = f"{gateway.url}/chat/completions"
            async with http.post(url, json={"model": "small", "messages": HELLO}) as got:
                assert got.status == 503
                assert got.headers["x-should-retry"] == "false"
            async with http.get(f"{gateway.root}/readyz") as got:
                assert got.status == 503
        assert len(upstream.calls) == 1
        assert held(gateway) == 0


async def test_a_ledger_that_works_again_is_found_out(text, upstream, monkeypatch):
    now = [1000.0]
    async with running(text(), clock=lambda: now[0]) as gateway:

        async def no_room(_record):
            raise LedgerError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(gateway.gateway.ledger, "write", no_room)
            assert (await post(gateway, {"model": "small", "messages": HELLO}))[0] == 503
        assert (await post(gateway, {"model": "small", "messages": HELLO}))[0] == 503
        now[0] += 6
        assert (await post(gateway, {"model": "small", "messages": HELLO}))[0] == 200
        assert gateway.gateway.not_ready is None


async def test_a_caller_who_stops_reading_is_let_go_at_the_deadline(text, upstream):
    upstream.reply(chunks=tuple("x" * 50_000 for _ in range(1000)))
    async with running(text(server={"request_timeout": 1}, budgets=BUDGET)) as gateway:
        port = int(gateway.root.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        body = json.dumps(stream_body()).encode()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.transport.pause_reading()
        record = await record_of(gateway)
        assert record["outcome"]["code"] == "deadline_exceeded"
        while held(gateway):  # settled right after it is recorded
            await asyncio.sleep(0.01)
        writer.transport.abort()
        del reader


async def test_a_stream_that_sends_its_head_and_nothing_more_is_healed_in_time(text, upstream):
    upstream.reply(chunks=("a",), cut_after=0, hang=True)
    upstream.reply(text="from the next")
    async with running(text("AllUp", server={"first_token_timeout": 0.5})) as gateway:
        status, stream = await post(gateway, stream_body())
        assert status == 200
        assert "next" in stream
        assert len(upstream.calls) == 2


async def test_a_tiny_prompt_teaches_nothing_about_tokens(text, upstream):
    upstream.reply(text="hello", usage=Counts(prompt=8, completion=3))
    async with running(text()) as gateway:
        await post(gateway, {"model": "small", "messages": [{"role": "user", "content": "hi"}]})
        record = await record_of(gateway)
        memory = await gateway.gateway.pipeline.parts.sessions.get(record["session"])
        assert memory.tokens_per_char is None
        assert memory.sent_tokens == 8


async def test_whoever_asks_behind_a_wildcard_chooses_no_address(upstream):
    parsed = yaml.safe_load(tiers_yaml(upstream.url))
    wild = {"name": "openai/*", "model": "openai/*", "api_key": "${SCRIPTED_KEY}", "api_base": upstream.url}
    parsed["tiers"]["base"]["models"].append(wild)
    async with running(yaml.safe_dump(parsed)) as gateway:
        for name in (
            "openai/../files",
            "openai/a?b",
            "openai/a//b",
            "openai/http://127.0.0.1/x",
            "openai/%2e%2e",
            "openai/",
        ):
            assert (await post(gateway, {"model": name, "messages": HELLO}))[0] == 404
        assert not upstream.calls
        assert (await post(gateway, {"model": "openai/some-model", "messages": HELLO}))[0] == 200


@pytest.mark.parametrize(
    ("status", "code", "model", "rests"),
    [
        (404, "model_not_found", "openai/garbage", False),
        (403, "content_filter", "small", False),
        (429, "insufficient_quota", "small", True),
        (401, "invalid_api_key", "small", True),
    ],
)
async def test_a_deployment_rests_for_its_own_faults_and_not_for_a_callers(upstream, status, code, model, rests):
    parsed = yaml.safe_load(tiers_yaml(upstream.url))
    wild = {"name": "openai/*", "model": "openai/*", "api_key": "${SCRIPTED_KEY}", "api_base": upstream.url}
    parsed["tiers"]["base"]["models"].append(wild)
    for _ in range(3):
        upstream.reply(status=status, error={"message": "no", "code": code})
    async with running(yaml.safe_dump(parsed)) as gateway:
        await post(gateway, {"model": model, "messages": HELLO})
        assert bool(gateway.gateway.pipeline.parts.cooldowns.cooling()) is rests


async def test_a_name_of_megabytes_is_refused_at_once(gateway):
    status, answer = await post(gateway, {"model": "a" * 1_000_000, "messages": HELLO})
    assert status == 400
    assert json.loads(answer)["error"]["param"] == "model"


@pytest.mark.parametrize(
    "fields", [{"content": "a \ud83d b"}, {"content": [{"type": {}, "text": "x"}]}, {"content": "a", "seed": 10**24}]
)
async def test_odd_but_valid_json_reaches_the_upstream(gateway, upstream, fields):
    content = fields.pop("content")
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": content}], **fields})
    async with aiohttp.ClientSession() as http, http.post(f"{gateway.url}/chat/completions", data=body) as got:
        assert got.status == 200
    arrived = json.loads(upstream.calls[0].raw)
    assert arrived["messages"][0]["content"] == content
    assert {key: arrived[key] for key in fields} == fields


async def test_a_listener_that_hangs_does_not_keep_the_gateway_from_stopping(text, monkeypatch):
    monkeypatch.setattr("gateway.compose.assembly._STOP_SECONDS", 0.2)
    monkeypatch.setattr("gateway.bus._DRAIN_SECONDS", 0.2)
    async with running(text("Hangs")) as gateway:
        await post(gateway, {"model": "small", "messages": HELLO})
    assert gateway.gateway.ledger is not None  # we got here: it stopped


@pytest.mark.parametrize("plugin", ["hard_plugins:BadStart", "hard_syntax:X"])
async def test_a_reload_that_fails_in_a_plugin_leaves_the_old_configuration_in_force(text, home, monkeypatch, plugin):
    monkeypatch.setenv("SCRIPTED_KEY", "sk-scripted")
    async with running(text("AllUp")) as gateway:
        before = gateway.gateway.pipeline
        path = home / "tiers.yaml"
        path.write_text(text().replace("plugins: []", f"plugins: ['{plugin}']"))
        await reload_file(gateway.gateway, path, fixed_at_start(gateway.gateway.config))
        assert gateway.gateway.pipeline is before
        assert (await post(gateway, {"model": "small", "messages": HELLO}))[0] == 200


async def test_a_budget_that_is_gone_ends_no_call_in_flight(text, home, upstream, monkeypatch):
    monkeypatch.setenv("SCRIPTED_KEY", "sk-scripted")
    upstream.reply(text="slow", delay=0.5)
    async with running(text(budgets=BUDGET)) as gateway:
        asking = asyncio.ensure_future(post(gateway, {"model": "small", "messages": HELLO}))
        while not upstream.calls:
            await asyncio.sleep(0.01)
        path = home / "tiers.yaml"
        path.write_text(text())
        await reload_file(gateway.gateway, path, fixed_at_start(gateway.gateway.config))
        assert (await asking)[0] == 200
        assert (await record_of(gateway))["budget"] == "default"


async def test_many_answers_at_once_are_reserved_as_many(text, upstream):
    budget = {"default": {"limit_usd": 0.002, "period": "day"}}
    async with running(text(budgets=budget)) as gateway:
        body = {"model": "small", "n": 128, "max_tokens": 100, "messages": HELLO}
        assert (await post(gateway, body))[0] == 429
        assert not upstream.calls


async def test_a_plugins_own_calls_draw_on_the_default_budget(text, upstream):
    budget = {"default": {"limit_usd": 0.0000001, "period": "day"}}
    async with running(text(budgets=budget)) as gateway:
        with pytest.raises(Exception, match="budget"):
            await gateway.gateway.complete({"model": "small", "messages": HELLO}, "a-plugin")
        record = await record_of(gateway)
        assert record["outcome"]["kind"] == "refused"
        assert record["budget"] == "default"
    assert not upstream.calls


async def test_half_an_event_is_not_relayed():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\ndata: {"id":"a","choi')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, running(tiers_yaml(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")) as gateway:
        _, stream = await post(gateway, stream_body())
    events = [event for event in stream.split("\n\n") if event]
    assert "hello" in events[0]
    assert "error" in json.loads(events[1].removeprefix("data: "))
    assert events[2] == "data: [DONE]"


async def test_an_upgrade_is_told_only_when_it_happens(text, upstream):
    class Hears(Listener):
        heard: list = []  # noqa: RUF012  # one listener, one test

        async def on_event(self, event):
            self.heard.append(event)

    for _ in range(2):
        upstream.reply(status=503, error={"message": "busy"})
    async with running(text("AllUp", server={"max_attempts": 2})) as gateway:
        hears = Hears()
        gateway.gateway._bus.attach("hears", hears)
        assert (await post(gateway, {"model": "small", "messages": HELLO}))[0] == 503
        await gateway.gateway.settle()
    assert not [event for event in hears.heard if isinstance(event, TierUpgraded)]


def stream_body() -> dict:
    return {"model": "small", "messages": HELLO, "stream": True}


async def test_a_request_that_cannot_be_translated_costs_nothing_and_makes_no_deployment_rest(upstream):
    parsed = yaml.safe_load(tiers_yaml(upstream.url))
    parsed["tiers"] = {"base": parsed["tiers"]["base"]}
    [claude] = parsed["tiers"]["base"]["models"]
    claude |= {"model": "anthropic/claude-sonnet-4-5", "api_base": upstream.root}
    async with running(yaml.safe_dump(parsed)) as gateway:
        for content in ([1, "x"], 7, [{"type": "hologram"}]):
            body = {"model": "middle", "messages": [{"role": "user", "content": content}]}
            status, answer = await post(gateway, body)
            error = json.loads(answer)["error"]
            assert (status, error["type"], error["code"]) == (400, "invalid_request_error", "unsupported")
            record = await record_of(gateway)
            assert record["cost_usd"] == 0
            assert [attempt["result"] for attempt in record["attempts"]] == ["unsupported"]
        assert not gateway.gateway.pipeline.parts.cooldowns.cooling()
    assert not upstream.calls


async def test_an_upstreams_error_in_a_stream_is_no_fault_of_the_gateway(gateway, upstream, caplog):
    upstream.reply(chunks=("a", "b", "c"), cut_after=2, error={"message": "out of memory", "type": "server_error"})
    _, stream = await post(gateway, stream_body())
    assert "out of memory" in stream
    assert not caplog.records
