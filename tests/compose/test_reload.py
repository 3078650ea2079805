"""Another configuration in a running gateway: what changes, what stays, and what is not noticed."""

import asyncio
import sys

import pytest
import yaml

from gateway.api import ConfigReloaded
from gateway.config import ConfigError
from gateway.testing import ENV, running, tiers_yaml
from gateway.upstream.scripted_dialects import Counts

BODY = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def config(upstream, plugins, monkeypatch):
    """Configurations whose plugins are those of the folder, named by class."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def text(*names, **sections):
        named = [{f"life_of_tests:{k}": {"word": v} for k, v in name.items()} for name in names]
        return tiers_yaml(upstream.url, plugins=named, plugin_path=str(plugins), **sections)

    yield text
    sys.modules.pop("life_of_tests", None)


def story() -> list[str]:
    return sys.modules["life_of_tests"].STORY


async def ask(http, gateway, key: str = "", **body) -> tuple[int, dict]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with http.post(f"{gateway.url}/chat/completions", json={**BODY, **body}, headers=headers) as got:
        return got.status, await got.json()


async def test_an_unchanged_listener_goes_on_and_a_hot_plugin_is_made_anew(config, reload):
    same = config({"Watch": "w"}, {"Ears": "e"})
    async with running(same, wait=False) as gateway:
        assert story() == ["made w", "started w", "made e", "started e"]
        story().clear()
        await reload(gateway, same)
        await gateway.gateway.settle()
        assert story()[:2] == ["made w", "started w"]
        assert sorted(story()[2:]) == ["config.reloaded", "stopped w"]
        story().clear()
    assert story() == ["stopped e", "stopped w"]


async def test_changed_settings_make_a_listener_anew(config, reload):
    async with running(config({"Ears": "old"}), wait=False) as gateway:
        story().clear()
        await reload(gateway, config({"Ears": "new"}))
        await gateway.gateway.settle()
        assert story()[:2] == ["made new", "started new"]
        assert story().count("stopped old") == 1
        assert "stopped new" not in story()


async def test_a_plugin_that_is_gone_is_stopped_and_hears_no_more(config, reload):
    async with running(config({"Ears": "e"}), wait=False) as gateway:
        await reload(gateway, config())
        await gateway.gateway.settle()
        assert story()[-1] == "stopped e"


async def test_a_guards_new_settings_are_in_force_for_the_next_call(config, reload, http):
    async with running(config({"Watch": "red"})) as gateway:
        red = [{"role": "user", "content": "red"}]
        assert (await ask(http, gateway, messages=red))[0] == 403
        await reload(gateway, config({"Watch": "blue"}))
        assert (await ask(http, gateway, messages=red))[0] == 200


async def test_a_page_goes_on_and_sees_the_new_configuration(config, reload, http):
    async with running(config({"Page": "p"}), wait=False) as gateway:

        async def shown() -> dict:
            async with http.get(f"{gateway.root}/page") as got:
                return await got.json()

        assert (await shown())["models"] == ["small", "middle", "large"]
        fewer = yaml.safe_load(config({"Page": "p"}))
        del fewer["tiers"]["strong"]
        await reload(gateway, yaml.safe_dump(fewer))
        assert (await shown())["models"] == ["small", "middle"]


async def test_a_budget_keeps_its_spend_under_a_new_limit(config, reload, http, upstream):
    def limit(usd: float) -> str:
        return config(budgets={"default": {"limit_usd": usd, "period": "total"}})

    async with running(limit(1.0)) as gateway:
        upstream.reply(text="x", usage=Counts(prompt=1_000_000, completion=0))  # $0.1
        assert (await ask(http, gateway))[0] == 200
        await reload(gateway, limit(0.05))
        [status] = gateway.gateway.budgets.status()
        assert (status.spent_usd, status.rule.limit_usd) == (pytest.approx(0.1), 0.05)
        code, body = await ask(http, gateway)
        assert (code, body["error"]["code"]) == (429, "insufficient_quota")
        await reload(gateway, limit(2.0))
        assert (await ask(http, gateway))[0] == 200


async def test_a_budget_of_another_period_is_read_from_the_ledger(config, reload, http, upstream):
    async with running(config(budgets={"default": {"limit_usd": 1, "period": "total"}})) as gateway:
        upstream.reply(text="x", usage=Counts(prompt=1_000_000, completion=0))
        await ask(http, gateway)
        await reload(gateway, config(budgets={"default": {"limit_usd": 1, "period": "month"}}))
        [status] = gateway.gateway.budgets.status()
        assert status.spent_usd == pytest.approx(0.1)


async def test_keys_come_and_go(config, reload, http):
    env = {**ENV, "ANN": "sk-ann", "BOB": "sk-bob"}
    async with running(config()) as gateway:
        assert (await ask(http, gateway))[0] == 200
        await reload(gateway, config(keys=[{"name": "ann", "key": "${ANN}"}]), env)
        assert [(await ask(http, gateway, key))[0] for key in ("", "sk-ann", "sk-bob")] == [401, 200, 401]
        await reload(gateway, config(keys=[{"name": "bob", "key": "${BOB}"}]), env)
        assert [(await ask(http, gateway, key))[0] for key in ("", "sk-ann", "sk-bob")] == [401, 401, 200]
        await reload(gateway, config())
        assert (await ask(http, gateway))[0] == 200


async def test_the_largest_body_follows(config, reload, http):
    big = {"messages": [{"role": "user", "content": "x" * 50_000}]}
    async with running(config()) as gateway:
        assert (await ask(http, gateway, **big))[0] == 200
        await reload(gateway, config(server={"max_body_mb": 0.01}))
        assert (await ask(http, gateway, **big))[0] == 413


async def test_a_call_in_flight_ends_under_the_configuration_it_began_with(config, reload, http, upstream):
    upstream.reply(chunks=tuple(f"{n} " for n in range(10)), gap=0.05)
    other = yaml.safe_load(config())
    del other["tiers"]["weak"]
    budgets = {"default": {"limit_usd": 1, "period": "total"}}
    async with running(config(budgets=budgets)) as gateway:
        async with http.post(f"{gateway.url}/chat/completions", json={**BODY, "stream": True}) as stream:
            await stream.content.readany()
            await reload(gateway, yaml.safe_dump({**other, "budgets": budgets}))
            assert (await ask(http, gateway))[0] == 404  # `small` is gone for whoever comes now
            assert (await stream.read()).endswith(b"data: [DONE]\n\n")
        record = await gateway.gateway.ledger.get(stream.headers["x-request-id"])
        [status] = gateway.gateway.budgets.status()
    assert record["outcome"]["kind"] == "completed"
    assert record["deployment"] == "small"
    assert (status.spent_usd, status.reserved_usd) == (pytest.approx(record["cost_usd"]), 0.0)


async def test_a_bad_file_changes_nothing(config, reload, http):
    async with running(config({"Watch": "red"}, {"Ears": "e"})) as gateway:
        before, story_before = gateway.gateway.pipeline, list(story())
        for bad in (config({"Nobody": "x"}), config({"Watch": "x"}, {"Watch": 3}), config(tiers={})):
            with pytest.raises(ConfigError) as caught:
                await reload(gateway, bad)
            gateway.gateway.reload_failed(caught.value)
        await gateway.gateway.settle()
        assert gateway.gateway.pipeline is before
        assert story() == [*story_before, *["config.reloaded"] * 3]
        assert (await ask(http, gateway, messages=[{"role": "user", "content": "red"}]))[0] == 403


async def test_the_listeners_are_told_what_is_inactive(config, reload, upstream):
    heard = []
    async with running(config(), wait=False) as gateway:
        gateway.gateway._bus.publish = heard.append
        text = tiers_yaml(upstream.url)
        await reload(gateway, text, {})
        [event] = heard
    assert isinstance(event, ConfigReloaded)
    assert [name for name, _ in event.inactive] == ["small", "middle", "large"]
    assert all("SCRIPTED_KEY" in reason for _, reason in event.inactive)


async def test_reloads_while_calls_run_lose_none(config, reload, http):
    text = config(budgets={"default": {"limit_usd": 5, "period": "total"}})
    async with running(text) as gateway:

        async def keep_asking() -> list[int]:
            return [(await ask(http, gateway))[0] for _ in range(10)]

        asking = [asyncio.ensure_future(keep_asking()) for _ in range(4)]
        while not all(task.done() for task in asking):
            await reload(gateway, text)
            await asyncio.sleep(0.01)
        assert {status for task in asking for status in task.result()} == {200}
        assert len(await gateway.gateway.ledger.recent()) == 40
        [status] = gateway.gateway.budgets.status()
        assert status.reserved_usd == 0.0
