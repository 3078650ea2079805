"""What is sent of a prompt: marks for the provider's cache, the trimmed body or the caller's, cold points."""

import asyncio
import json
import sys

import aiohttp
import pytest
import yaml

from gateway.testing import running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

PLUGIN = '''
from gateway.api import Edit, Optimized, Optimizer, Plugin

SEEN = []


class Cut(Plugin, Optimizer):
    """Replaces what stands in the first line by what the test wants."""

    replaced = "short"

    def optimize(self, request, call):
        SEEN.append(call.cold_at)
        return Optimized(tuple(
            Edit(part.path, text, "cut", part.message, (len(part.text) - len(text)) // 4)
            for part in request.parts
            if part.kind == "tool_result" and (text := self.cut(part, call)) is not None
        ))

    def cut(self, part, call):
        return self.replaced if part.text != self.replaced else None


class Empty(Cut):
    replaced = " "


class Longer(Cut):
    replaced = "x" * 100_000


class Halved(Cut):
    replaced = "\\ud83d"


class Deeper(Cut):
    """Cuts more where the prompt is cold anyway."""

    def cut(self, part, call):
        return "cold" if part.message < call.cold_at else "short"


class Again(Plugin, Optimizer):
    """Edits the same places once more."""

    def optimize(self, request, call):
        return Optimized(tuple(
            Edit(part.path, "s", "again", part.message, 1) for part in request.parts if part.text == "short"
        ))
'''
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
RESULT = "line of a log, as long as others\n" * 400
MARK = {"type": "ephemeral"}
CLAUDE = "anthropic/claude-sonnet-4-5"


class Clock:
    now = 1_767_600_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module of plugins above, made anew for each test."""
    monkeypatch.delitem(sys.modules, "cutters_of_tests", raising=False)
    (tmp_path / "cutters_of_tests.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda *names: [f"cutters_of_tests:{name}" for name in names]


def config(upstream, *, plugins=(), claude=(), **sections):
    """As `tiers_yaml`, but the models named in `claude` are Anthropic's."""
    text = yaml.safe_load(tiers_yaml(upstream.url, plugins=plugins, **sections))
    for tier in text["tiers"].values():
        [model] = tier["models"]
        if model["name"] in claude:
            price = {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75}
            model |= {"model": CLAUDE, "api_base": upstream.root, "price": price}
    return yaml.safe_dump(text)


def turn(number, result=RESULT):
    """The messages of an agent's turn: it asks for a tool as often as there were turns before."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Make it work."}]
    for at in range(number):
        call = {"id": f"c{at}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{at}", "content": result})
    return messages


async def ask(gateway, messages, headers=None, **fields):
    """Headers and record of one answered call."""
    body = {"model": "middle", "messages": messages, "tools": [TOOL], **fields}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{gateway.url}/chat/completions", json=body, headers=headers or {}) as got,
    ):
        assert got.status == 200, await got.text()
        await got.read()
    return got.headers, await gateway.gateway.ledger.get(got.headers["x-request-id"])


async def metric(gateway, line):
    await gateway.gateway.settle()
    async with aiohttp.ClientSession() as http, http.get(f"{gateway.root}/metrics") as got:
        found = [row for row in (await got.text()).splitlines() if row.startswith(line)]
    return float(found[0].split()[-1]) if found else 0.0


def marks(body):
    return json.dumps(body).count("cache_control")


async def test_claude_is_asked_to_cache_what_nobody_marked(upstream):
    async with running(config(upstream, claude=["middle"])) as gateway:
        await ask(gateway, turn(1))
        sent = upstream.calls[-1].body
        assert sent["system"][-1]["cache_control"] == MARK
        assert sent["messages"][-1]["content"][-1]["cache_control"] == MARK
        assert marks(sent) == 2


@pytest.mark.parametrize(
    ("headers", "sections", "fields"),
    [
        ({"x-thriftgate-optimize": "off"}, {}, {}),
        ({}, {"routing": {"mode": "observe"}}, {}),
        ({}, {"context": {"cache_hints": False}}, {}),
        ({}, {}, {"tools": None, "messages": [{"role": "user", "content": "One question."}]}),  # nothing follows
    ],
)
async def test_when_claude_is_not_asked_to_cache(upstream, headers, sections, fields):
    async with running(config(upstream, claude=["middle"], **sections)) as gateway:
        await ask(gateway, fields.pop("messages", turn(1)), headers, **fields)
    assert marks(upstream.calls[-1].body) == 0


async def test_the_callers_own_marks_are_carried_and_nothing_is_added(upstream):
    hour = {"type": "ephemeral", "ttl": "1h"}
    messages = turn(1)
    messages[0]["content"] = [{"type": "text", "text": "Be brief.", "cache_control": hour}]
    async with running(config(upstream, claude=["middle"])) as gateway:
        await ask(gateway, messages)
    assert upstream.calls[-1].body["system"][0]["cache_control"] == hour
    assert marks(upstream.calls[-1].body) == 1


async def test_only_the_body_for_claude_is_marked(upstream, tmp_path, monkeypatch):
    (tmp_path / "rungs_of_tests.py").write_text(
        "from gateway.api import Plugin, RoutePlan, Router\n"
        "class Rungs(Plugin, Router):\n"
        "    def route(self, request, complexity, view):\n"
        "        chosen = sorted(view.deployments, key=lambda one: one.name != 'middle')\n"
        "        return RoutePlan(tuple(chosen), chosen[0].tier, 'in order')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for _ in range(2):
        upstream.reply(status=503, error={"message": "busy"})
    async with running(config(upstream, claude=["middle"], plugins=["rungs_of_tests:Rungs"])) as gateway:
        await ask(gateway, turn(1))
    bodies = [call.body for call in upstream.calls]
    assert marks(bodies[0]) == 2
    assert bodies[-1]["model"] != bodies[0]["model"]
    assert marks(bodies[-1]) == 0


async def test_what_our_marks_save_counts_as_cache(upstream):
    async with running(config(upstream, claude=["middle"], routing={"baseline": "middle"})) as gateway:
        upstream.reply(text="a", usage=Counts(10_000, 100, cached=0, cache_write=9_990))
        _, first = await ask(gateway, turn(1))
        upstream.reply(text="b", usage=Counts(12_000, 100, cached=9_990, cache_write=2_000))
        _, second = await ask(gateway, turn(2))
    assert first["savings"]["cache"] == pytest.approx(-9_990 * 0.75 / 1e6)
    assert second["savings"]["cache"] == pytest.approx((9_990 * 2.7 - 2_000 * 0.75) / 1e6)
    assert second["savings"]["baseline_usd"] == pytest.approx((12_000 * 3 + 100 * 15) / 1e6)
    assert second["savings"]["total"] == pytest.approx(second["savings"]["baseline_usd"] - second["cost_usd"])


@pytest.mark.parametrize("plugins", [[], ["gateway_reduce"]])
async def test_claudes_tools_are_the_same_turn_after_turn(upstream, plugins):
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("read_z", "read_a")
    ]
    async with running(config(upstream, claude=["middle"], plugins=plugins)) as gateway:
        for number in range(3):
            await ask(gateway, turn(number), tools=tools)
    sent = [json.dumps(call.body["tools"]) for call in upstream.calls]
    assert sent[0] == sent[1] == sent[2]
    assert [tool["name"] for tool in json.loads(sent[0])][:2] == ["read_z", "read_a"]


async def test_tools_are_sent_in_the_same_bytes_turn_after_turn(upstream):
    tools = [{"type": "function", "function": {"name": name, "parameters": {"b": 1, "a": 2}}} for name in ("z", "a")]
    async with running(config(upstream)) as gateway:
        for number in range(3):
            await ask(gateway, turn(number), tools=tools)
    sent = [call.raw[call.raw.index(b'"tools":') :] for call in upstream.calls]
    assert sent[0] == sent[1] == sent[2]
    assert json.dumps(tools, separators=(",", ":")).encode() in sent[0]


async def test_cold_points_of_a_conversation(upstream, own, clock):
    plugins = [*own("Deeper")]
    async with running(config(upstream, plugins=plugins), clock=clock) as gateway:
        seen = sys.modules["cutters_of_tests"].SEEN

        async def cold_at(number, pause=10.0, **fields):
            clock.now += pause
            seen.clear()
            await ask(gateway, turn(number), **fields)
            return list(seen)

        assert await cold_at(1) == [4]  # the first request here
        assert await cold_at(2) == [4]
        assert await cold_at(3, pause=601) == [8]  # longer than OpenAI keeps a prompt
        assert await cold_at(4) == [8]
        assert [one["content"] for one in upstream.calls[-1].body["messages"] if one["role"] == "tool"] == (
            ["cold"] * 3 + ["short"]
        )
        assert await cold_at(5, model="large") == [8, 12]  # known only once it is routed
        assert await cold_at(6, model="large") == [12]
        assert await cold_at(2, model="large") == [6]  # the caller cut it short
        upstream.reply(status=400, error={"message": "no"})
        clock.now += 700
        with pytest.raises(AssertionError):
            await ask(gateway, turn(3), model="large")
        assert await cold_at(3, pause=-600, model="large") == [6]  # what was not answered is not remembered


async def test_a_conversation_whose_cache_misses_is_trimmed_no_more(upstream, own, clock):
    plugins = [*own("Cut"), "gateway_prometheus"]
    async with running(config(upstream, plugins=plugins), clock=clock) as gateway:

        async def went(number, cached):
            clock.now += 10
            upstream.reply(text="a", usage=Counts(5_000 + number * 10, 10, cached=cached))
            return await ask(gateway, turn(number, "short " * 100))

        for number, cached in enumerate((0, 4_800, 0, 4_800, 0), start=1):  # single misses prove nothing
            await went(number, cached)
        assert await metric(gateway, 'thriftgate_untrimmed_total{reason="cache_misses"}') == 0
        await went(6, 0)
        assert await metric(gateway, 'thriftgate_untrimmed_total{reason="cache_misses"}') == 1
        _, record = await went(7, 0)
        await went(8, 0)
        assert await metric(gateway, 'thriftgate_untrimmed_total{reason="cache_misses"}') == 1
    assert upstream.calls[5].body["messages"][-1]["content"] == "short"
    assert upstream.calls[6].body["messages"] == turn(7, "short " * 100)
    assert "cache did not find" in record["reason"]
    assert record["tokens_before"] == record["tokens_after"]


async def test_a_provider_that_never_reports_a_cache_changes_nothing(upstream, own):
    async with running(config(upstream, plugins=own("Cut"))) as gateway:
        for number in range(1, 6):
            upstream.reply(text="a", usage=Counts(5_000, 10))
            await ask(gateway, turn(number))
    assert upstream.calls[-1].body["messages"][-1]["content"] == "short"


@pytest.mark.parametrize("router", [[], ["gateway_tiers"]])
async def test_a_body_that_would_cost_more_is_not_sent(upstream, own, router):
    """Long and warm untrimmed, with a little to cut at its beginning: nine tenths off for all of it are worth more."""
    plugins = [*own("Cut"), "gateway_prometheus", *router]
    long = [{"role": "user", "content": "word " * 20_000}]
    async with running(config(upstream, plugins=plugins)) as gateway:
        upstream.reply(text="a", usage=Counts(20_500, 10))
        await ask(gateway, [*turn(1, "a short result"), *long], {"x-thriftgate-optimize": "off"})
        upstream.reply(text="a", usage=Counts(20_600, 10, cached=20_480))
        messages = [*turn(1, "a short result"), *long, {"role": "assistant", "content": "a"}]
        messages.append({"role": "user", "content": "go on"})
        headers, record = await ask(gateway, messages)
        assert upstream.calls[-1].body["messages"] == messages
        assert await metric(gateway, 'thriftgate_untrimmed_total{reason="dearer"}') == 1
    assert "expected to cost less" in headers["x-thriftgate-reason"]
    assert record["tokens_before"] == record["tokens_after"]


async def test_what_costs_more_is_sent_where_only_that_fits_the_window(upstream, own):
    text = yaml.safe_load(config(upstream, plugins=own("Cut")))
    text["tiers"]["base"]["models"][0]["context_window"] = 20_500
    long = [{"role": "user", "content": "word " * 20_000}]
    async with running(yaml.safe_dump(text)) as gateway:
        upstream.reply(text="a", usage=Counts(20_500, 10))
        await ask(gateway, [*turn(1, "a short result"), *long], {"x-thriftgate-optimize": "off"})
        await ask(gateway, [*turn(1, "a short result"), *long, {"role": "user", "content": "go on"}])
    [result] = [one["content"] for one in upstream.calls[-1].body["messages"] if one["role"] == "tool"]
    assert result == "short"


@pytest.mark.parametrize(
    ("name", "result", "reason"),
    [
        ("Empty", RESULT, "emptied"),
        ("Longer", RESULT, "longer"),
        ("Halved", RESULT, "utf8"),
        ("Cut", json.dumps([{"a": number} for number in range(99)]), "json"),
    ],
)
async def test_a_body_that_says_something_else_is_not_sent(upstream, own, name, result, reason):
    async with running(config(upstream, plugins=[*own(name), "gateway_prometheus"])) as gateway:
        _, record = await ask(gateway, turn(1, result))
        assert await metric(gateway, f'thriftgate_untrimmed_total{{reason="{reason}"}}') == 1
    assert upstream.calls[-1].body["messages"] == turn(1, result)
    assert record["trimmed_by"] == {}
    assert record["outcome"]["kind"] == "completed"


async def test_explaining_counts_nothing(upstream, own):
    async with running(config(upstream, plugins=[*own("Empty"), "gateway_prometheus"])) as gateway:
        body = {"model": "middle", "messages": turn(1)}
        async with aiohttp.ClientSession() as http, http.post(f"{gateway.url}/explain", json=body) as got:
            assert (await got.json())["decision"]["trimmed"] is False
        assert await metric(gateway, "thriftgate_untrimmed_total") == 0


async def test_tokens_before_and_after_by_transform(upstream, own):
    async with running(config(upstream, plugins=[*own("Cut", "Again"), "gateway_prometheus"])) as gateway:
        upstream.reply(text="a", usage=Counts(500, 10))
        headers, record = await ask(gateway, turn(1))
        cut = (len(RESULT) - len("short")) // 4
        assert record["trimmed_by"] == {"cut": cut, "again": 1}
        assert (record["tokens_before"], record["tokens_after"]) == (500 + cut + 1, 500)
        told = [headers[f"x-thriftgate-tokens-{name}"] for name in ("before", "after", "trimmed")]
        assert told == [str(500 + cut + 1), "500", str(cut + 1)]
        assert await metric(gateway, 'thriftgate_tokens_trimmed_total{transform="cut"}') == cut
        assert await metric(gateway, 'thriftgate_prompt_tokens_total{stage="before"}') == 500 + cut + 1
        assert await metric(gateway, 'thriftgate_prompt_tokens_total{stage="after"}') == 500


async def test_many_at_once_of_one_conversation_do_no_harm(upstream, own):
    async with running(config(upstream, plugins=own("Deeper"), claude=["middle"])) as gateway:
        records = await asyncio.gather(*(ask(gateway, turn(number % 4 + 1)) for number in range(20)))
    assert all(record["outcome"]["kind"] == "completed" for _, record in records)
