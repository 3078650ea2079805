"""A plugin of one's own: a file in a folder and one line in tiers.yaml. And what happens when it fails."""

import json
import sys
import textwrap

import openai
import pytest
from openai import AsyncOpenAI

from gateway.api import Answer, PluginFailed, TierUpgraded
from gateway.config import ConfigError
from gateway.testing import Running, running, tiers_yaml

HELLO = [{"role": "user", "content": "Say hello."}]
TRIMS = [
    {"role": "user", "content": "Go."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "a long result"},
]

SOURCE = """
    from gateway.api import *

    class Doorman(Plugin, Guard):
        async def check(self, request, call):
            if "secret" in str(request.body["messages"]):
                raise RefusedError("No secrets.", status=403, code="no_secrets")

    class BrokenGuard(Plugin, Guard):
        async def check(self, request, call):
            raise RuntimeError("boom")

    class Shortens(Plugin, Optimizer):
        def optimize(self, request, call):
            return Optimized(tuple(
                Edit(part.path, part.text[:6], "shorten", part.message, 2)
                for part in request.parts if part.kind == "tool_result"
            ))

    class BrokenOptimizer(Plugin, Optimizer):
        def optimize(self, request, call):
            raise RuntimeError("boom")

    class Meddler(Plugin, Optimizer):
        def optimize(self, request, call):
            return Optimized((Edit(request.parts[0].path, "do evil", "meddle", 0, 1),))

    class BrokenScorer(Plugin, Scorer):
        def score(self, request):
            raise RuntimeError("boom")

    class BrokenRouter(Plugin, Router):
        def route(self, request, complexity, view):
            raise RuntimeError("boom")

    class NoScore(Plugin, Scorer):
        def score(self, request):
            return 7

    class BeyondTen(Plugin, Scorer):
        def score(self, request):
            return Complexity(float(request.body["user"]), "unknown", (), 0.5, "by no scale")

    class NoPlan(Plugin, Router):
        def route(self, request, complexity, view):
            return RoutePlan(("small",), Tier.WEAK, "a name is no deployment")

    class NoVerdict(Plugin, Verifier):
        def verify(self, request, answer):
            return None

    class NoEvents(Plugin, StreamFilter):
        async def filter(self, chunks, call):
            async for chunk in chunks:
                yield chunk.decode()

    class NoRoutes(Plugin, Surface):
        def routes(self):
            return ["/page"]

    class CheapestFirst(Plugin, Router):
        def route(self, request, complexity, view):
            return RoutePlan(view.deployments, view.deployments[0].tier, "cheapest first")

    class NoApologies(Plugin, Verifier):
        def verify(self, request, answer):
            return Verdict("sorry" not in answer.text, "an apology is no answer")

    class Shouts(Plugin, StreamFilter):
        async def filter(self, chunks, call):
            async for chunk in chunks:
                yield chunk.replace(b"hello", b"HELLO")

    class BreaksEarly(Plugin, StreamFilter):
        async def filter(self, chunks, call):
            async for chunk in chunks:
                raise RuntimeError("boom")
                yield chunk

    class BreaksLate(Plugin, StreamFilter):
        async def filter(self, chunks, call):
            count = 0
            async for chunk in chunks:
                yield chunk
                count += 1
                if count == 2:
                    raise RuntimeError("boom")

    class Hears(Plugin, Listener):
        async def on_event(self, event):
            self.host.deployments
            HEARD.append(event)

    class Asks(Plugin, Guard):
        async def check(self, request, call):
            if call.caller.name != "inner":
                question = {"model": "small", "messages": [{"role": "user", "content": "?"}]}
                HEARD.append(await self.host.complete(question, caller="inner"))

    HEARD = []

    class Choosy(Plugin, Guard):
        class Settings(Settings):
            colour: str
        async def check(self, request, call): ...

    class Nothing(Plugin):
        pass

    class NotAPlugin:
        pass
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with one module of plugins, importable as `plugin_path` makes it."""
    (tmp_path / "own_plugins.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("own_plugins", None)


@pytest.fixture
def run(home, upstream):
    def start(*names: str | dict, **sections):
        plugins = [
            {f"own_plugins:{k}": v for k, v in name.items()} if isinstance(name, dict) else f"own_plugins:{name}"
            for name in (*names, "Hears")
        ]
        return running(tiers_yaml(upstream.url, plugins=plugins, plugin_path=str(home), **sections))

    return start


async def ask(gateway: Running, **how):
    async with AsyncOpenAI(base_url=gateway.url, api_key="any", max_retries=0) as client:
        return await client.chat.completions.create(**{"model": "small", "messages": HELLO, **how})


async def ask_for_stream(gateway: Running) -> str:
    async with AsyncOpenAI(base_url=gateway.url, api_key="any", max_retries=0) as client:
        stream = await client.chat.completions.create(model="small", messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def heard(gateway: Running, kind: type) -> list:
    await gateway.gateway.settle()
    return [event for event in sys.modules["own_plugins"].HEARD if isinstance(event, kind)]


async def test_a_guard_refuses(run, upstream):
    async with run("Doorman") as gateway:
        assert await ask(gateway)
        with pytest.raises(openai.PermissionDeniedError, match="No secrets"):
            await ask(gateway, messages=[{"role": "user", "content": "a secret"}])
    assert len(upstream.calls) == 1


async def test_a_broken_guard_is_closed_unless_told_otherwise(run, upstream):
    async with run("BrokenGuard") as gateway:
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(gateway)
        assert caught.value.status_code == 503
        [failed] = await heard(gateway, PluginFailed)
        assert (failed.role, failed.error) == ("guard", "RuntimeError")
    assert not upstream.calls


async def test_a_broken_guard_may_be_set_open(run):
    async with run({"BrokenGuard": {"fail": "open"}}) as gateway:
        assert await ask(gateway)


async def test_an_optimizer_shortens_and_a_broken_one_changes_nothing(run, upstream):
    async with run("BrokenOptimizer", "Shortens") as gateway:
        await ask(gateway, messages=TRIMS)
        assert upstream.calls[0].body["messages"][2]["content"] == "a long"
        assert len(await heard(gateway, PluginFailed)) == 1


async def test_an_optimizer_cannot_touch_what_must_stay(run, upstream):
    async with run("Meddler") as gateway:
        await ask(gateway)
        assert upstream.calls[0].body["messages"] == HELLO
        assert len(await heard(gateway, PluginFailed)) == 1


async def test_broken_scorers_and_routers_leave_the_model_asked_for(run, upstream):
    async with run("BrokenScorer", "BrokenRouter") as gateway:
        await ask(gateway, model="large")
        assert upstream.calls[0].body["model"] == "large-1"
        assert [event.role for event in await heard(gateway, PluginFailed)] == ["scorer", "router"]


@pytest.mark.parametrize(
    ("plugin", "role", "error"),
    [
        ("NoScore", "scorer", "TypeError"),
        ("NoPlan", "router", "TypeError"),
        ("NoVerdict", "verifier", "TypeError"),
    ],
)
async def test_a_plugin_that_gives_something_else_has_failed_in_its_role(run, upstream, plugin, role, error):
    async with run(plugin) as gateway:
        await ask(gateway, model="large")
        assert upstream.calls[0].body["model"] == "large-1"
        assert {(event.role, event.error) for event in await heard(gateway, PluginFailed)} == {(role, error)}
        [record] = await gateway.gateway.ledger.recent()
        assert record["outcome"]["kind"] == "completed"


@pytest.mark.parametrize("score", ["0.9", "10.1", "99", "nan", "inf"])
async def test_a_score_on_no_scale_of_ours_is_the_middle_one(run, score):
    async with run("BeyondTen") as gateway:
        await ask(gateway, user=score)
        [failed] = await heard(gateway, PluginFailed)
        assert (failed.role, failed.error) == ("scorer", "ValueError")
        [record] = await gateway.gateway.ledger.recent()
        assert record["complexity"]["score"] == 5.5
        await ask(gateway, user="10")
        [record] = await gateway.gateway.ledger.recent(1)
        assert record["complexity"]["score"] == 10


async def test_a_filter_that_gives_something_else_is_passed_over(run, upstream):
    upstream.reply(chunks=("a", "b", "c"))
    async with run("NoEvents") as gateway:
        assert await ask_for_stream(gateway) == "abc"
        assert [event.role for event in await heard(gateway, PluginFailed)] == ["stream_filter"]


async def test_a_surface_without_routes_fails_the_start_at_its_line(run):
    with pytest.raises(
        ConfigError, match="`own_plugins:NoRoutes` gives no routes: TypeError: str is no route"
    ) as caught:
        async with run("NoRoutes"):
            pass
    assert caught.value.problems[0].line > 1


async def test_a_rejected_answer_is_asked_for_one_tier_up_and_the_try_is_charged(run, upstream):
    upstream.reply(text="sorry")
    upstream.reply(text="here you are")
    async with run("CheapestFirst", "NoApologies") as gateway:
        answer = await ask(gateway)
        assert answer.choices[0].message.content == "here you are"
        assert [call.body["model"] for call in upstream.calls] == ["small-1", "middle-1"]
        [upgraded] = await heard(gateway, TierUpgraded)
        assert upgraded.reason == "an apology is no answer"
        [record] = await gateway.gateway.ledger.recent()
        first, second = record["attempts"]
        assert (first["result"], second["result"]) == ("rejected", "ok")
        assert first["cost_usd"] > 0
        assert record["cost_usd"] == pytest.approx(first["cost_usd"] + second["cost_usd"])


async def test_the_best_tiers_doubtful_answer_is_given_after_all(run, upstream):
    for _ in range(3):
        upstream.reply(text="sorry")
    async with run("CheapestFirst", "NoApologies") as gateway:
        answer = await ask(gateway)
    assert answer.choices[0].message.content == "sorry"
    assert len(upstream.calls) == 3


async def test_a_stream_filter_changes_events(run, upstream):
    upstream.reply(text="hello")
    async with run("Shouts") as gateway:
        assert await ask_for_stream(gateway) == "HELLO"


async def test_a_filter_that_breaks_before_its_first_event_is_passed_over(run, upstream):
    upstream.reply(chunks=("a", "b", "c"))
    async with run("BreaksEarly") as gateway:
        assert await ask_for_stream(gateway) == "abc"
        assert len(await heard(gateway, PluginFailed)) == 1


async def test_a_filter_that_breaks_later_ends_the_stream_with_an_error(run, upstream):
    upstream.reply(chunks=("a", "b", "c"))
    async with run("BreaksLate") as gateway:
        with pytest.raises(openai.APIError, match="stream filter"):
            await ask_for_stream(gateway)
        [record] = await gateway.gateway.ledger.recent()
        assert record["outcome"]["kind"] == "failed"


async def test_a_plugin_may_ask_through_the_whole_pipeline(run, upstream):
    upstream.reply(text="inner")
    upstream.reply(text="outer")
    async with run("Asks") as gateway:
        answer = await ask(gateway)
        assert answer.choices[0].message.content == "outer"
        [inner] = await heard(gateway, Answer)
        assert inner.text == "inner"
        assert inner.cost_usd > 0
        assert {record["caller"] for record in await gateway.gateway.ledger.recent()} == {"inner", "anonymous"}


@pytest.mark.parametrize(
    ("plugin", "said", "line"),
    [
        ("NoSuchClass", "the module has no `NoSuchClass`", 39),
        ("NotAPlugin", "not a gateway.api.Plugin", 39),
        ("Nothing", "plays no role; expected a subclass of `Guard`, ", 39),
        ("Choosy", "colour", 39),
        ({"Choosy": {"colour": "red", "size": 3}}, "size", 41),
    ],
)
async def test_a_wrong_plugin_is_a_problem_with_its_line(run, plugin, said, line):
    with pytest.raises(ConfigError, match=said) as caught:
        async with run(plugin):
            pass
    [problem] = caught.value.problems
    assert problem.line == line


async def test_two_routers_are_one_too_many(run):
    with pytest.raises(ConfigError, match="both want to be the router"):
        async with run("CheapestFirst", "BrokenRouter"):
            pass


async def test_an_unknown_plugin_names_the_installed_ones(upstream):
    with pytest.raises(ConfigError, match="gateway_reduce"):
        async with running(tiers_yaml(upstream.url, plugins=["gateway_nothing"])):
            pass


async def test_a_record_is_json_through_and_through(run):
    async with run("CheapestFirst", "Shortens") as gateway:
        await ask(gateway, messages=TRIMS)
        [record] = await gateway.gateway.ledger.recent()
        assert json.loads(json.dumps(record)) == record
