"""Attempts, retries, fallbacks, deadlines and the commit, in a running gateway before a scripted upstream."""

import asyncio
import json

import pytest
import yaml

from gateway.api import AttemptEnded, DeploymentCooling, TierUpgraded
from gateway.testing import running, tiers_yaml

LISTENER = """
from gateway.api import Listener, Plugin
class Hears(Plugin, Listener):
    def __init__(self, host, settings):
        super().__init__(host, settings)
        self.heard = HEARD
    async def on_event(self, event):
        HEARD.append(event)
HEARD = []
"""


@pytest.fixture
def hears(tmp_path, monkeypatch) -> str:
    (tmp_path / f"hears_{tmp_path.name}.py").write_text(LISTENER)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"hears_{tmp_path.name}:Hears"


async def heard(gateway, kind: type) -> list:
    await gateway.gateway.settle()
    [plugin] = [plugin for loaded, plugin in gateway.gateway._plugins if loaded.entry.name.endswith(":Hears")]
    return [event for event in plugin.heard if isinstance(event, kind)]


def asked_models(upstream) -> list[str]:
    return [call.body["model"] for call in upstream.calls]


def results(record) -> list[tuple[str, str, bool]]:
    return [(attempt["deployment"], attempt["result"], attempt["retry"]) for attempt in record["attempts"]]


def text_of(stream: str) -> str:
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c.get("choices"))


def at_another_address(text: str, tier: str, address: str) -> str:
    config = yaml.safe_load(text)
    config["tiers"][tier]["models"][0]["api_base"] = address
    return yaml.safe_dump(config)


async def test_a_retry_waits_as_long_as_it_is_told(upstream, ask, hears):
    upstream.reply(status=503, headers={"retry-after-ms": "450"})
    upstream.reply(text="now")
    async with running(tiers_yaml(upstream.url, plugins=[hears])) as gateway:
        status, _, record = await ask(gateway, model="small")
        ended = await heard(gateway, AttemptEnded)
    assert status == 200
    assert record["duration"] >= 0.45
    assert [(d, retry) for d, _, retry in results(record)] == [("small", False), ("small", True)]
    assert [event.will_retry for event in ended] == [True, False]


async def test_whoever_says_wait_for_long_is_not_waited_for(upstream, ask):
    upstream.reply(status=503, headers={"retry-after": "60"})
    async with running(tiers_yaml(upstream.url)) as gateway:
        status, _, record = await ask(gateway, model="small")
    assert status == 503
    assert len(upstream.calls) == len(record["attempts"]) == 1


async def test_nobody_waits_for_one_that_says_wait_while_another_can_serve(upstream, ask, ladder):
    upstream.reply(status=503, headers={"retry-after": "5"})
    upstream.reply(text="from the next")
    async with running(tiers_yaml(upstream.url, plugins=[ladder])) as gateway:
        status, body, _ = await ask(gateway)
    assert status == 200
    assert "from the next" in body
    assert asked_models(upstream) == ["small-1", "middle-1"]


async def test_a_429_goes_elsewhere_at_once_and_the_deployment_rests(upstream, ask, ladder, hears):
    upstream.reply(status=429, headers={"retry-after": "5"})
    upstream.reply(text="from the next")
    async with running(tiers_yaml(upstream.url, plugins=[ladder, hears])) as gateway:
        status, text, record = await ask(gateway)
        [cooling] = await heard(gateway, DeploymentCooling)
        [upgraded] = await heard(gateway, TierUpgraded)
    assert status == 200
    assert "from the next" in text
    assert asked_models(upstream) == ["small-1", "middle-1"]
    assert (cooling.deployment, cooling.seconds) == ("small", 5.0)
    assert upgraded.id == record["id"]
    assert (record["routed_tier"], record["tier"]) == ("weak", "base")


async def test_a_429_with_nowhere_else_to_go_is_tried_again(upstream, ask):
    upstream.reply(status=429, headers={"retry-after-ms": "10"})
    upstream.reply(text="now")
    async with running(tiers_yaml(upstream.url)) as gateway:
        status, _, _ = await ask(gateway, model="small")
    assert status == 200
    assert asked_models(upstream) == ["small-1", "small-1"]


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_no_more_upstream_calls_than_allowed(upstream, ask, ladder, most):
    for _ in range(8):
        upstream.reply(status=500)
    async with running(tiers_yaml(upstream.url, plugins=[ladder], server={"max_attempts": most})) as gateway:
        status, _, record = await ask(gateway)
    assert status == 500
    assert len(upstream.calls) == len(record["attempts"]) == most
    assert record["outcome"]["kind"] == "failed"
    assert record["cost_usd"] == 0.0


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deadline_ends_a_silent_upstream(upstream, ask, stream):
    upstream.reply(text="late", delay=30)
    async with running(tiers_yaml(upstream.url, server={"request_timeout": 0.4})) as gateway:
        status, text, record = await ask(gateway, model="small", stream=stream)
        await upstream.calls[0].closed.wait()
    assert status == 504
    assert json.loads(text)["error"]["code"] == "deadline_exceeded"
    assert len(upstream.calls) == 1
    assert record["outcome"]["code"] == "deadline_exceeded"
    assert record["attempts"][0]["result"] == "deadline_exceeded"
    assert record["cost_usd"] > 0  # the upstream had the prompt


async def test_the_deadline_holds_over_a_retry(upstream, ask):
    upstream.reply(status=500, delay=0.3)
    upstream.reply(text="late", delay=30)
    async with running(tiers_yaml(upstream.url, server={"request_timeout": 1.0})) as gateway:
        status, _, record = await ask(gateway, model="small")
        await upstream.calls[1].closed.wait()
    assert status == 504
    assert [result for _, result, _ in results(record)][1] == "deadline_exceeded"
    assert len(upstream.calls) == 2


async def test_a_retry_that_would_come_too_late_is_not_made(upstream, ask):
    upstream.reply(status=503, headers={"retry-after": "5"})
    async with running(tiers_yaml(upstream.url, server={"request_timeout": 2})) as gateway:
        status, _, _ = await ask(gateway, model="small")
    assert status == 503
    assert len(upstream.calls) == 1


async def test_the_deadline_holds_over_a_stream_that_has_begun(upstream, ask):
    upstream.reply(chunks=tuple(f"{n} " for n in range(100)), gap=0.1)
    async with running(tiers_yaml(upstream.url, server={"request_timeout": 0.8})) as gateway:
        status, text, record = await ask(gateway, model="small", stream=True)
        await upstream.calls[0].closed.wait()
    assert status == 200
    assert text_of(text).startswith("0 ")
    last, done = text.strip().split("\n\n")[-2:]
    assert json.loads(last[6:])["error"]["code"] == "deadline_exceeded"
    assert done == "data: [DONE]"
    assert record["outcome"]["committed"] is True
    assert record["usage"]["estimated"] is True
    assert record["cost_usd"] > 0


async def test_nothing_is_tried_again_after_the_first_byte(upstream, ask, ladder):
    upstream.reply(chunks=("a", "b", "c"), cut_after=3, gap=0.05)
    async with running(tiers_yaml(upstream.url, plugins=[ladder])) as gateway:
        status, text, record = await ask(gateway, stream=True)
    assert status == 200
    assert text_of(text).startswith("a")
    assert '"error"' in text
    assert len(upstream.calls) == 1
    assert record["outcome"]["committed"] is True
    assert record["attempts"][0]["result"] == record["outcome"]["code"]


@pytest.mark.parametrize(
    "sick",
    [
        {"drop": True},
        {"chunks": ("a",), "cut_after": 0},
        {"chunks": ("a",), "cut_after": 1},  # a role and nothing said yet
        {"chunks": ("a",), "cut_after": 0, "clean_cut": True},
        {"body": b"<html>busy</html>", "content_type": "text/html"},
        {"body": b""},
    ],
)
async def test_a_stream_that_never_began_is_healed_elsewhere(upstream, ask, ladder, sick):
    for _ in range(2):
        upstream.reply(**sick)
    upstream.reply(chunks=("fine",))
    text = tiers_yaml(upstream.url, plugins=[ladder], server={"max_attempts": 6})
    async with running(text) as gateway:
        status, text, record = await ask(gateway, stream=True)
        while results(record)[-1][1] != "ok":  # some faults are not worth a second try at the same place
            status, text, record = await ask(gateway, stream=True)
    assert status == 200
    assert text_of(text)
    assert '"error"' not in text


async def test_a_refused_connection_goes_to_the_next_deployment_at_once(upstream, ask, ladder, nobody):
    text = at_another_address(tiers_yaml(upstream.url, plugins=[ladder]), "weak", nobody)
    async with running(text) as gateway:
        status, _, record = await ask(gateway)
    assert status == 200
    assert results(record) == [("small", "upstream_unreachable", False), ("middle", "ok", False)]
    assert record["attempts"][0]["cost_usd"] == 0.0


async def test_nobody_there_is_a_502(ask, nobody):
    async with running(tiers_yaml(nobody)) as gateway:
        status, text, record = await ask(gateway, model="small")
    assert status == 502
    assert json.loads(text)["error"]["code"] == "upstream_unreachable"
    assert len(record["attempts"]) == 2  # nowhere else to go: once more here


async def test_a_prompt_too_long_for_one_goes_to_another(upstream, ask, ladder):
    upstream.reply(status=400, error={"message": "maximum context length is 8192", "code": "context_length_exceeded"})
    upstream.reply(text="it fits")
    async with running(tiers_yaml(upstream.url, plugins=[ladder])) as gateway:
        status, text, record = await ask(gateway)
    assert status == 200
    assert "it fits" in text
    assert results(record) == [("small", "context_length_exceeded", False), ("middle", "ok", False)]


async def test_a_known_window_is_not_even_tried(upstream, ask):
    config = yaml.safe_load(tiers_yaml(upstream.url, plugins=["gateway_tiers"]))
    config["tiers"]["weak"]["models"][0]["context_window"] = 1000
    config["routing"] = {"default_tier": "weak"}
    long = [{"role": "user", "content": "word " * 4000}]
    async with running(yaml.safe_dump(config)) as gateway:
        status, _, record = await ask(gateway, messages=long, headers={"x-thriftgate-tier": "weak"})
    assert status == 200
    assert asked_models(upstream) == ["middle-1"]
    [skipped] = [line for line in record["considered"] if line["deployment"] == "small"]
    assert "window" in skipped["skipped"]


async def test_a_wrong_key_of_ours_goes_elsewhere_and_is_not_tried_again(upstream, ask, ladder):
    upstream.reply(status=401, error={"message": "Incorrect API key", "code": "invalid_api_key"})
    async with running(tiers_yaml(upstream.url, plugins=[ladder])) as gateway:
        status, _, _ = await ask(gateway)
    assert status == 200
    assert asked_models(upstream) == ["small-1", "middle-1"]


async def test_the_callers_own_fault_ends_the_call(upstream, ask, ladder):
    upstream.reply(status=422, error={"message": "no such field", "param": "foo"})
    async with running(tiers_yaml(upstream.url, plugins=[ladder])) as gateway:
        status, text, _ = await ask(gateway)
    assert status == 422
    assert json.loads(text)["error"]["param"] == "foo"
    assert len(upstream.calls) == 1


async def test_an_answer_that_is_none_is_tried_elsewhere(upstream, ask, ladder):
    for _ in range(2):
        upstream.reply(body=b'{"object": "chat.completion"}')
    upstream.reply(text="an answer")
    async with running(tiers_yaml(upstream.url, plugins=[ladder])) as gateway:
        status, text, record = await ask(gateway)
    assert status == 200
    assert "an answer" in text
    assert [result for _, result, _ in results(record)] == ["upstream_protocol", "upstream_protocol", "ok"]


async def test_a_whole_answer_is_relayed_byte_for_byte(upstream, ask):
    body = b'{"id":"x",  "choices" : [{"message":{"content":"\\u0041"},"finish_reason":"stop"}],"odd":1e2}'
    upstream.reply(body=body)
    async with running(tiers_yaml(upstream.url)) as gateway:
        _, text, record = await ask(gateway, model="small")
    assert text.encode() == body
    assert record["usage"]["estimated"] is True


async def test_many_calls_at_once_keep_apart(upstream, ask):
    async with running(tiers_yaml(upstream.url)) as gateway:
        answers = await asyncio.gather(
            *(ask(gateway, model="small", messages=[{"role": "user", "content": f"question {n}"}]) for n in range(20))
        )
    assert {status for status, *_ in answers} == {200}
    assert len({record["id"] for *_, record in answers}) == 20
