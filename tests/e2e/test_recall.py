"""What was left out of a prompt is asked for and shown, with OpenAI's SDK before the gateway and a scripted upstream
behind it. The caller sees one answer, and no tool that it does not know."""

import asyncio
import hashlib
import json
import textwrap
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest
import yaml
from openai import AsyncOpenAI

from gateway.api import recall_tool
from gateway.forward import ROUNDS
from gateway.recall import LATER, NO_MORE
from gateway.testing import ENV, running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

STASHES = """
    import hashlib
    from gateway.api import Edit, LeftOut, Optimized, Optimizer, Plugin

    class Stashes(Plugin, Optimizer):
        '''Leaves all of a long result but its first line to be asked for.'''

        def optimize(self, request, call):
            edits, stash = [], []
            for part in request.parts:
                if part.kind == "tool_result" and len(part.text) > 200 and call.recall:
                    id = hashlib.sha256(part.text.encode()).hexdigest()[:12]
                    text = part.text.split("\\n")[0] + f"\\n[recall {id} shows what was left out]"
                    edits.append(Edit(part.path, text, "stash", part.message, (len(part.text) - len(text)) // 4))
                    stash.append(LeftOut(id, part.text))
            return Optimized(tuple(edits), tuple(stash))
"""
LOG = "\n".join(f"line {number}: all is well" for number in range(1, 400)) + "\nline 400: the needle"
ID = hashlib.sha256(LOG.encode()).hexdigest()[:12]
BASH = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object", "properties": {}}}}
MESSAGES = [
    {"role": "user", "content": "What does the log say?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "bash", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": LOG},
]
ASKED = ("recall", {"id": ID, "pattern": "needle"})
OTHER = ("bash", {"command": "ls"})
COUNTS = Counts(prompt=1000, completion=100)
COST = (1000 * 0.1 + 100 * 0.4) / 1e6


@pytest.fixture
def config(tmp_path, monkeypatch, upstream):
    (tmp_path / "stashes_of_tests.py").write_text(textwrap.dedent(STASHES))
    monkeypatch.syspath_prepend(str(tmp_path))

    def text(**sections):
        return tiers_yaml(upstream.url, plugins=["stashes_of_tests:Stashes"], **sections)

    return text


async def ask(gateway, *, key="any", **how):
    async with AsyncOpenAI(base_url=gateway.url, api_key=key, max_retries=0) as client:
        return await client.chat.completions.create(**{"model": "small", "messages": MESSAGES, "tools": [BASH], **how})


class Heard:
    """A stream as a caller puts it together."""

    def __init__(self):
        self.text, self.ids, self.roles, self.finishes, self.usages, self.calls = "", set(), [], [], [], {}

    async def take(self, stream):
        async for chunk in stream:
            self.ids.add((chunk.id, chunk.created))
            if chunk.usage:
                self.usages.append(chunk.usage)
            for choice in chunk.choices:
                self.text += choice.delta.content or ""
                self.roles += [choice.delta.role] if choice.delta.role else []
                self.finishes += [choice.finish_reason] if choice.finish_reason else []
                for call in choice.delta.tool_calls or ():
                    name, arguments = self.calls.get(call.index, ("", ""))
                    self.calls[call.index] = (
                        name + (call.function.name or ""),
                        arguments + (call.function.arguments or ""),
                    )
        return self


@asynccontextmanager
async def streaming(gateway, **how):
    async with AsyncOpenAI(base_url=gateway.url, api_key=how.pop("key", "any"), max_retries=0) as client:
        how = {"model": "small", "messages": MESSAGES, "tools": [BASH], **how}
        yield await client.chat.completions.create(stream=True, **how)


async def heard(gateway, **how):
    async with streaming(gateway, **how) as stream:
        got = await Heard().take(stream)
    assert len(got.ids) == len(got.roles) == 1
    return got


async def record_of(gateway):
    [record] = await gateway.gateway.ledger.recent(1)
    return record


def tool_texts(call):
    return [message["content"] for message in call.body["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_reads_on_and_the_caller_gets_one_answer(config, upstream, stream):
    upstream.reply(tool_calls=(ASKED,), usage=COUNTS)
    upstream.reply(text="The needle is in line 400.", usage=Counts(prompt=1300, completion=100))
    async with running(config()) as gateway:
        if stream:
            got = await heard(gateway, stream_options={"include_usage": True})
            text, finishes, [usage], calls = got.text, got.finishes, got.usages, got.calls
        else:
            whole = await ask(gateway)
            choice, usage = whole.choices[0], whole.usage
            text, finishes, calls = choice.message.content, [choice.finish_reason], choice.message.tool_calls
        record = await record_of(gateway)
    assert (text, finishes) == ("The needle is in line 400.", ["stop"])
    assert not calls
    assert usage.prompt_tokens == 1300  # of the last call: what an agent takes for its context's size
    first, second = upstream.calls
    assert first.body["tools"] == [BASH, recall_tool()] == second.body["tools"]
    assert LOG not in first.raw.decode()
    assert second.body["messages"][:3] == first.body["messages"]
    assert second.body["messages"][3]["tool_calls"][0]["function"]["name"] == "recall"
    assert "400: line 400: the needle" in tool_texts(second)[-1]
    assert record["recalls"] == 1
    assert [(a["result"], a["retry"], a["usage"]["input"]) for a in record["attempts"]] == [
        ("ok", False, 1000),
        ("ok", False, 1300),
    ]
    assert record["cost_usd"] == pytest.approx(COST + (1300 * 0.1 + 100 * 0.4) / 1e6)
    assert record["tokens_after"] == 1000
    savings = record["savings"]
    assert savings["total"] == pytest.approx(savings["baseline_usd"] - record["cost_usd"])
    assert savings["routing"] == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_other_calls_beside_a_recall_have_not_run_and_are_asked_for_again(config, upstream, stream):
    upstream.reply(text="Let me see.", tool_calls=(OTHER, ASKED))
    upstream.reply(text="Now run it.", tool_calls=(OTHER,))
    async with running(config()) as gateway:
        if stream:
            got = await heard(gateway)
            assert got.text == "Let me see.\n\nNow run it."
            assert got.calls == {0: ("bash", '{"command":"ls"}')}
            assert got.finishes == ["tool_calls"]
        else:
            message = (await ask(gateway)).choices[0].message
            assert message.content == "Now run it."
            assert [call.function.name for call in message.tool_calls] == ["bash"]
    assert tool_texts(upstream.calls[1])[1] == LATER
    assert "the needle" in tool_texts(upstream.calls[1])[2]


@pytest.mark.parametrize("stream", [False, True])
async def test_several_recalls_at_once_are_answered_in_their_order(config, upstream, stream):
    upstream.reply(tool_calls=(ASKED, ("recall", {"id": ID, "lines": "7-8"}), ("recall", {"id": "0" * 12})))
    async with running(config()) as gateway:
        await (heard if stream else ask)(gateway)
        record = await record_of(gateway)
    _, first, second, third = tool_texts(upstream.calls[1])
    assert "the needle" in first
    assert "7: line 7: all is well\n8: line 8" in second
    assert "Nothing is kept under the id" in third
    assert record["recalls"] == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stream_of_recalls_ends(config, upstream, stream):
    for _ in range(9):
        upstream.reply(tool_calls=(ASKED,))
    async with running(config(server={"max_attempts": 1})) as gateway:
        with pytest.raises(openai.APIError, match="again and again"):
            await (heard if stream else ask)(gateway)
        record = await record_of(gateway)
    assert len(upstream.calls) == ROUNDS + 2
    assert tool_texts(upstream.calls[-1])[-1] == NO_MORE
    assert NO_MORE not in tool_texts(upstream.calls[-2])
    assert record["outcome"]["code"] == "recall_unending"
    assert record["recalls"] == ROUNDS
    assert len(record["attempts"]) == ROUNDS + 2
    assert record["cost_usd"] == pytest.approx((ROUNDS + 2) * (11 * 0.1 + 7 * 0.4) / 1e6)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("last", "left"),
    [
        ({"tool_calls": (OTHER, ASKED)}, ("", ["bash"], ["tool_calls"])),
        ({"text": "I give up.", "tool_calls": (ASKED,)}, ("I give up.", [], ["stop"])),
    ],
)
async def test_what_is_left_of_an_answer_without_its_recall_is_given(config, upstream, stream, last, left):
    for _ in range(ROUNDS + 1):
        upstream.reply(tool_calls=(ASKED,))
    upstream.reply(**last)
    async with running(config()) as gateway:
        if stream:
            got = await heard(gateway, stream_options={"include_usage": True})
            told, calls, finishes = got.text, [name for name, _ in got.calls.values()], got.finishes
            assert len(got.usages) == 1
        else:
            [choice] = (await ask(gateway)).choices
            told, calls = choice.message.content or "", [c.function.name for c in choice.message.tool_calls or ()]
            finishes = [choice.finish_reason]
        record = await record_of(gateway)
    assert (told, calls, finishes) == left
    assert record["outcome"]["kind"] == "completed"


async def test_calls_of_tools_that_are_no_recall_come_as_the_upstream_sent_them(config, upstream):
    async with running(config()) as gateway, running(config(context={"recall": "never"})) as without:
        for _ in range(2):
            upstream.reply(text="Run it.", tool_calls=(OTHER, OTHER))
        streams = []
        for one in (gateway, without):
            async with AsyncOpenAI(base_url=one.url, api_key="any") as client:
                how = {"model": "small", "messages": MESSAGES, "tools": [BASH], "stream": True}
                async with client.chat.completions.with_streaming_response.create(**how) as response:
                    streams.append(await response.text())
    assert streams[0] == streams[1]
    assert len(upstream.calls[0].body["tools"]) == 2
    assert len(upstream.calls[1].body["tools"]) == 1


async def test_where_one_call_only_is_allowed_its_name_is_enough(config, upstream):
    upstream.reply(tool_calls=(OTHER,), gap=0.05)
    upstream.reply(tool_calls=(ASKED,))
    upstream.reply(text="found")
    async with running(config()) as gateway:
        async with streaming(gateway, parallel_tool_calls=False) as stream:
            pieces = [choice.delta.tool_calls async for chunk in stream for choice in chunk.choices]
        assert [bool(piece) for piece in pieces] == [False, True, True, True, False]
        assert (await heard(gateway, parallel_tool_calls=False)).text == "found"


async def test_an_error_in_the_second_call_is_healed_while_nothing_was_relayed(config, upstream):
    for stream in (False, True):
        upstream.reply(tool_calls=(ASKED,))
        upstream.reply(status=500)
        upstream.reply(text="found")
        async with running(config()) as gateway:
            if stream:
                assert (await heard(gateway)).text == "found"
            else:
                assert (await ask(gateway)).choices[0].message.content == "found"
            record = await record_of(gateway)
        assert [(a["status"], a["retry"]) for a in record["attempts"]] == [(200, False), (500, False), (200, True)]
        assert upstream.calls[-1].body == upstream.calls[-2].body
        assert record["recalls"] == 1


async def test_an_error_in_the_second_call_ends_a_stream_that_has_begun(config, upstream):
    upstream.reply(text="Let me see.", tool_calls=(ASKED,), usage=COUNTS)
    upstream.reply(status=500)
    async with running(config()) as gateway:
        got = Heard()
        with pytest.raises(openai.APIError, match="scripted 500"):
            async with streaming(gateway) as stream:
                await got.take(stream)
        record = await record_of(gateway)
    assert got.text == "Let me see."
    assert len(upstream.calls) == 2
    assert record["outcome"]["committed"] is True
    assert [attempt["status"] for attempt in record["attempts"]] == [200, 500]
    assert record["cost_usd"] == pytest.approx(COST)


@pytest.mark.parametrize("said", ["", "Let me see."])
async def test_a_caller_who_leaves_in_between_ends_the_second_call(config, upstream, said):
    upstream.reply(text=said, tool_calls=(ASKED,), usage=COUNTS)
    upstream.reply(text="late", delay=30)
    async with running(config()) as gateway:
        asking = asyncio.ensure_future(heard(gateway))
        while len(upstream.calls) < 2:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await upstream.calls[1].closed.wait()
        while not (records := await gateway.gateway.ledger.recent()):
            await asyncio.sleep(0.01)
    [record] = records
    assert record["outcome"]["kind"] == "cancelled"
    assert len(record["attempts"]) == 2
    assert record["cost_usd"] > COST  # the second one had the prompt


async def test_nobody_reads_what_another_callers_prompt_held(config, upstream):
    keys = [{"name": name, "key": f"${{{name.upper()}}}"} for name in ("ann", "bob")]
    env = {**ENV, "ANN": "sk-ann", "BOB": "sk-bob"}
    hello = [{"role": "user", "content": "Hello."}]
    async with running(config(keys=keys), env=env) as gateway:
        upstream.reply(text="ok")
        await ask(gateway, key="sk-ann")
        for key in ("sk-bob", "sk-ann"):
            upstream.reply(tool_calls=(ASKED,))
            upstream.reply(text="ok")
            await ask(gateway, key=key, messages=hello)
    assert "Nothing is kept" in tool_texts(upstream.calls[2])[-1]
    assert "the needle" in tool_texts(upstream.calls[4])[-1]  # out of the store: this prompt does not hold it


async def test_what_was_left_out_outlives_the_gateway(config, upstream, tmp_path):
    text = config(ledger={"url": f"sqlite:///{tmp_path}/own.db"})
    async with running(text) as gateway:
        await ask(gateway)
    upstream.reply(tool_calls=(ASKED,))
    async with running(text) as gateway:
        await ask(gateway, messages=[{"role": "user", "content": "And?"}])
    assert "the needle" in tool_texts(upstream.calls[-1])[-1]
    assert (tmp_path / "own-stash.db").stat().st_mode & 0o777 == 0o600


async def test_where_it_is_never_allowed_nothing_is_kept(config, upstream, tmp_path):
    text = config(ledger={"url": f"sqlite:///{tmp_path}/own.db"}, context={"recall": "never"})
    async with running(text) as gateway:
        await ask(gateway)
    assert not (tmp_path / "own-stash.db").exists()


async def test_a_lost_store_fails_no_request(config, upstream, tmp_path):
    (tmp_path / "own-stash.db").mkdir()
    async with running(config(ledger={"url": f"sqlite:///{tmp_path}/own.db"})) as gateway:
        upstream.reply(tool_calls=(ASKED, ("recall", {"id": "f" * 12})))
        upstream.reply(text="ok")
        assert (await ask(gateway)).choices[0].message.content == "ok"
        assert gateway.gateway.stash.lost > 0
    _, own, unknown = tool_texts(upstream.calls[1])
    assert "the needle" in own
    assert "Nothing is kept" in unknown


@pytest.mark.parametrize(
    ("how", "sections"),
    [
        ({"extra_headers": {"x-thriftgate-recall": "off"}}, {}),
        ({"extra_body": {"metadata": {"thriftgate.recall": "off"}}}, {}),
        ({"extra_headers": {"x-thriftgate-optimize": "off"}}, {}),
        ({"n": 2}, {}),
        ({}, {"routing": {"mode": "observe"}}),
        ({}, {"context": {"recall": "never"}}),
    ],
)
async def test_where_it_is_off_the_prompt_is_as_the_caller_sent_it(config, upstream, how, sections):
    async with running(config(**sections)) as gateway:
        await ask(gateway, **how)
    assert upstream.calls[0].body["tools"] == [BASH]
    assert tool_texts(upstream.calls[0]) == [LOG]


async def test_the_tool_is_there_from_the_first_request_on(config, upstream):
    """Also while it makes the prompt longer, and whatever the router thinks of that."""
    text = yaml.safe_load(config())
    text["plugins"] += ["gateway_complexity", "gateway_tiers"]
    async with running(yaml.safe_dump(text)) as gateway:
        for count in (1, 3):
            await ask(gateway, model="auto", messages=MESSAGES[:count])
        later, first = await gateway.gateway.ledger.recent(2)
    assert [call.body["tools"] for call in upstream.calls] == [[BASH, recall_tool()]] * 2
    assert first["tokens_before"] < first["tokens_after"]
    assert later["tokens_before"] > later["tokens_after"]
    assert first["savings"]["context"] < 0 < later["savings"]["context"]


async def test_calls_that_are_held_back_for_long_are_announced(config, upstream, monkeypatch):
    monkeypatch.setattr("gateway.forward.streams.QUIET_SECONDS", 0.05)
    monkeypatch.setattr("gateway.forward.rounds.QUIET_SECONDS", 0.05)
    upstream.reply(tool_calls=(OTHER,) * 4, gap=0.04)
    upstream.reply(tool_calls=(OTHER, ASKED), gap=0.04)
    upstream.reply(text="found")
    async with running(config()) as gateway, AsyncOpenAI(base_url=gateway.url, api_key="any") as client:
        how = {"model": "small", "messages": MESSAGES, "tools": [BASH], "stream": True}
        async with client.chat.completions.with_streaming_response.create(**how) as response:
            events = (await response.text()).split("\n\n")
        got = await heard(gateway)
    assert events.count(": still there") > 1
    assert len([event for event in events if '"name":"bash"' in event]) == 4
    assert (got.text, got.calls) == ("found", {})


@pytest.mark.parametrize("stream", [False, True])
async def test_verifiers_and_filters_see_the_answer_and_no_recall(config, upstream, tmp_path, stream):
    (tmp_path / "looks_of_recall.py").write_text(
        "from gateway.api import Plugin, StreamFilter, Verdict, Verifier\n"
        "class Looks(Plugin, Verifier, StreamFilter):\n"
        "    def verify(self, request, answer):\n"
        "        assert not answer.tool_calls\n"
        "        return Verdict('sorry' not in answer.text, 'an apology')\n"
        "    async def filter(self, chunks, call):\n"
        "        async for chunk in chunks:\n"
        "            assert chunk.count(b'data: ') == 1 and b'recall' not in chunk\n"
        "            yield chunk.replace(b'found', b'FOUND')\n"
    )
    text = yaml.safe_load(config())
    text["plugins"] += ["looks_of_recall:Looks", "gateway_tiers"]
    upstream.reply(text="Let me see.", tool_calls=(ASKED,))
    if not stream:
        upstream.reply(text="sorry")
        upstream.reply(tool_calls=(ASKED,))
    upstream.reply(text="found")
    async with running(yaml.safe_dump(text)) as gateway:
        if stream:
            assert (await heard(gateway, model="auto")).text == "Let me see.\n\nFOUND"
        else:
            assert (await ask(gateway, model="auto")).choices[0].message.content == "found"
        record = await record_of(gateway)
    steps = [("middle", "ok"), ("middle", "ok")]
    if not stream:
        steps = [("middle", "ok"), ("middle", "rejected"), ("large", "ok"), ("large", "ok")]
    assert [(a["deployment"], a["result"]) for a in record["attempts"]] == steps
    assert record["cost_usd"] == pytest.approx(sum(a["cost_usd"] for a in record["attempts"]))
    savings = record["savings"]
    assert savings["total"] is None or savings["total"] == pytest.approx(savings["baseline_usd"] - record["cost_usd"])


async def test_no_more_is_recalled_than_the_budget_covers(config, upstream):
    """Held are two answers of 1,000 tokens; the first one costs as much as both."""
    budgets = {"default": {"limit_usd": 0.0013, "period": "total"}}
    upstream.reply(text="So far.", tool_calls=(ASKED,), usage=Counts(prompt=100, completion=1900))
    async with running(config(budgets=budgets)) as gateway:
        answer = await ask(gateway, max_tokens=1000)
        [status] = gateway.gateway.budgets.status()
    assert answer.choices[0].message.content == "So far."
    assert len(upstream.calls) == 1
    assert status.reserved_usd == 0


async def test_a_deployment_that_fails_gives_way_to_one_that_begins_anew(config, upstream, tmp_path):
    (tmp_path / "ladder_of_recall.py").write_text(
        "from gateway.api import Plugin, RoutePlan, Router\n"
        "class Ladder(Plugin, Router):\n"
        "    def route(self, request, complexity, view):\n"
        "        return RoutePlan(view.deployments, view.deployments[0].tier, 'in order')\n"
    )
    text = yaml.safe_load(config())
    text["plugins"].append("ladder_of_recall:Ladder")
    upstream.reply(tool_calls=(ASKED,), usage=COUNTS)
    upstream.reply(status=401)
    upstream.reply(text="from the next")
    async with running(yaml.safe_dump(text)) as gateway:
        assert (await ask(gateway)).choices[0].message.content == "from the next"
        record = await record_of(gateway)
    assert [call.body["model"] for call in upstream.calls] == ["small-1", "small-1", "middle-1"]
    assert upstream.calls[2].body["messages"] == upstream.calls[0].body["messages"]
    assert record["savings"]["context"] is not None
    assert json.dumps(record)


@pytest.mark.parametrize("stream", [False, True])
async def test_another_wire_is_asked_on_in_its_own_words(config, upstream, stream):
    text = yaml.safe_load(config())
    [model] = text["tiers"]["weak"]["models"]
    model |= {"model": "anthropic/claude-haiku-4-5", "api_base": upstream.root}
    upstream.reply(text="Let me see.", thinking="Hm.", tool_calls=(OTHER, ASKED))
    upstream.reply(text="found")
    async with running(yaml.safe_dump(text)) as gateway:
        if stream:
            assert (await heard(gateway)).text == "Let me see.\n\nfound"
        else:
            assert (await ask(gateway)).choices[0].message.content == "found"
    asked, told = upstream.calls[1].body["messages"][-2:]
    thought, *said = asked["content"]
    assert (thought["thinking"], thought["signature"]) == ("Hm.", "c2ln")
    assert [block["type"] for block in said] == ["text", "tool_use", "tool_use"]
    assert [block["tool_use_id"] for block in told["content"]] == ["toolu_0", "toolu_1"]
    assert "the needle" in json.dumps(told["content"][1])


async def test_recalls_are_counted(config, upstream):
    text = yaml.safe_load(config())
    text["plugins"].append("gateway_prometheus")
    upstream.reply(tool_calls=(ASKED, ASKED))
    async with running(yaml.safe_dump(text)) as gateway, aiohttp.ClientSession() as http:
        await ask(gateway)
        await gateway.gateway.settle()
        async with http.get(f"{gateway.root}/metrics") as got:
            lines = (await got.text()).splitlines()
    assert "thriftgate_recalls_total 2.0" in lines
    assert not any(line.startswith("thriftgate_retries_total{") for line in lines)
