"""The reference pages and the code say the same."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api import Attempt, CallRecord, Complexity, Considered, Event, Factor, Host, RefusedError, Savings, Usage
from gateway.compose.plugins import ROLES
from gateway.server.app import create_app
from gateway.testing import ENV, ScriptedUpstream, running, tiers_yaml
from gateway.wire import error_body

ROOT = Path(__file__).parents[2]
HTTP = (ROOT / "docs/reference/http.md").read_text(encoding="utf-8")
PLUGINS = (ROOT / "docs/reference/plugins.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHIPPED = ["gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"]
HELLO = {"model": "auto", "messages": [{"role": "user", "content": "Say hello."}]}


def section(page: str, title: str) -> str:
    [found] = re.findall(rf"(?ms)^#+ {re.escape(title)}\n(.*?)(?=^##|\Z)", page)
    return found


def table(text: str, number: int = 0) -> list[list[str]]:
    """The rows of a section's table, cell by cell, code marks removed."""
    tables = re.findall(r"(?m)^\|.+\n\| ---.*\n((?:\|.*\n)+)", text + "\n")
    return [
        [cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in tables[number].splitlines()
    ]


async def served() -> set[tuple[str, str]]:
    async with running(tiers_yaml("http://127.0.0.1:9/v1", plugins=SHIPPED), wait=False) as gateway:
        app = create_app(gateway.gateway, gateway.gateway.surface_routes())
        return {(route.method, route.resource.canonical) for route in app.router.routes()}


async def test_every_route_is_documented_and_every_documented_route_is_there() -> None:
    documented = {(method, path) for method, path, *_ in table(section(HTTP, "Routes"))}
    heads = {("HEAD", path) for method, path in documented if method == "GET"}
    assert await served() == documented | heads


async def test_the_documented_keys_are_what_the_routes_need() -> None:
    text = tiers_yaml("http://127.0.0.1:9/v1", plugins=SHIPPED, keys=[{"name": "ann", "key": "${ANN}"}])
    async with running(text, env={**ENV, "ANN": "sk-ann"}, wait=False) as gateway, aiohttp.ClientSession() as http:
        for method, path, key, _ in table(section(HTTP, "Routes")):
            url = gateway.root + path.replace("{id}", "auto")
            async with (
                http.request(method, url) as without,
                http.request(method, url, headers={"x-api-key": "sk-ann"}) as with_key,
            ):
                assert (without.status == 401) is (key != "none"), path
                assert with_key.status != 401, path
                assert (with_key.status == 403) is (key == "admin"), path


def codes_in_source() -> set[str]:
    """Each error code a caller can see: written as `code="..."` (or as its default), and those of `wire.errors`."""
    named: set[str] = set()
    for file in [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        if file.name.startswith("scripted"):
            continue
        named |= set(re.findall(r'\bcode(?:: str)? ?= ?"([a-z_]+)"', file.read_text(encoding="utf-8")))
    errors = (ROOT / "gateway/wire/errors.py").read_text(encoding="utf-8")
    return named | set(re.findall(r'"(upstream_[a-z_]+)"', errors))


def test_every_error_code_is_documented_and_nothing_else() -> None:
    rows = table(section(HTTP, "Errors"))
    assert len({code for code, *_ in rows}) == len(rows)
    assert {code for code, *_ in rows} == codes_in_source()
    statuses = [status for _, status, *_ in rows]
    assert statuses == sorted(statuses, key=lambda status: status.replace("4xx", "400")), "in the order of statuses"


def test_every_field_of_the_record_is_documented() -> None:
    record = section(HTTP, "The record")
    assert [name for name, *_ in table(record)] == [field.name for field in fields(CallRecord)]
    assert all(unit for _, unit, _ in table(record))
    told = {name: says for name, _, says in table(record)}
    nested = {"usage": Usage, "savings": Savings, "considered": Considered}
    for name, type_ in nested.items():
        for field in fields(type_):
            assert re.search(rf"\b{field.name}\b", told[name]), f"{name}.{field.name}"
    for field in (*fields(Complexity), *fields(Factor)):
        assert re.search(rf"\b{field.name}\b", told["complexity"]), field.name
    assert [name for name, *_ in table(record, 1)] == [field.name for field in fields(Attempt)]


async def call_once(path: str, **headers: str) -> tuple[Any, Any]:
    async with ScriptedUpstream() as upstream, running(tiers_yaml(upstream.url, plugins=SHIPPED)) as gateway:
        async with aiohttp.ClientSession() as http:
            async with http.post(gateway.url + path, json=HELLO, headers=headers) as got:
                answered, body = got.headers.copy(), await got.json()
            if path == "/explain":
                return answered, body
            await gateway.gateway.settle()
            async with http.get(f"{gateway.root}/metrics") as got:
                return answered, await got.text()


async def test_the_explained_decision_is_documented() -> None:
    _, decision = await call_once("/explain")
    rows = {field: says for field, says in table(section(HTTP, "Explain"))}  # noqa: C416  # rows have two cells
    assert list(rows) == list(decision)
    for field, value in decision.items():
        inner = value[0] if isinstance(value, list) else value
        for name in inner if isinstance(inner, dict) else ():
            assert re.search(rf"\b{name}\b", rows[field]), f"{field}.{name}"


async def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    _, text = await call_once("/chat/completions")
    documented = {name: (kind, labels) for name, kind, labels, _ in table(section(HTTP, "Metrics"))}
    exported = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(text)
        if family.name.startswith("thriftgate_")
    }
    assert set(exported) == set(documented)
    for name, family in exported.items():
        kind, labels = documented[name]
        assert family.type == kind, name
        expected = set() if labels == "none" else set(labels.split(", "))
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == expected, name


async def test_the_answers_headers_are_the_documented_ones() -> None:
    headers, _ = await call_once("/chat/completions")
    documented = {name: on for name, on, _ in table(section(HTTP, "Response headers"))}
    sent = {name.lower() for name in headers if name.lower().startswith(("x-thriftgate-", "x-request-id"))}
    assert sent == {name for name, on in documented.items() if on != "errors"}


def test_the_errors_headers_are_the_documented_ones() -> None:
    _, _, headers = error_body(RefusedError("no", retry_after=1.5, should_retry=False))
    documented = {name: on for name, on, _ in table(section(HTTP, "Response headers"))}
    assert set(headers) == {name for name, on in documented.items() if on == "errors"}


def test_every_hint_is_documented() -> None:
    source = (ROOT / "gateway/wire/hints.py").read_text(encoding="utf-8")
    hints = set(re.findall(r'_look_up\(headers, \w+, "([a-z-]+)"\)', source))
    rows = table(section(HTTP, "Request headers"))
    assert {name for name, *_ in rows} == {f"x-thriftgate-{hint}" for hint in hints}
    assert {key for _, key, *_ in rows} == {f"thriftgate.{hint.replace('-', '_')}" for hint in hints}


def test_the_roles_and_the_host_are_documented_as_they_are() -> None:
    rows = table(section(PLUGINS, "The roles"))
    named = [re.match(r"\[(\w+)]", role)[1] for role, *_ in rows]
    assert named == [role.__name__ for role in ROLES.values()]
    for (_, signature, *_), role in zip(rows, ROLES.values(), strict=True):
        [method] = role.__abstractmethods__
        assert re.search(rf"\b{method}\(", signature)
    host = {name for name in vars(Host) if not name.startswith("_")}
    assert {name for name, _ in table(section(PLUGINS, "The host"))} == host


def test_every_event_is_named() -> None:
    listener = section(PLUGINS, "Listener")
    for event in Event.__subclasses__():
        assert f"`{event.__name__}`" in listener


BLOCKS = [
    pytest.param(page, block, id=f"{page}-{number}")
    for page, text in (("README.md", README), ("plugins.md", PLUGINS))
    for number, block in enumerate(re.findall(r"(?s)```python\n(.*?)```", text))
]


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_python_example_compiles(page: str, block: str) -> None:
    compile(block, page, "exec")
