"""The command that shows what would be cut."""

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from gateway import show
from gateway.call import RECALL_TOKENS
from gateway.cli import main
from gateway.testing import ENV, tiers_yaml

ROOT = Path(__file__).parents[2]
BUILD = "\n".join(["\x1b[32mok\x1b[0m first", *(f"step {n}" for n in range(40)), "\x1b[31mred\x1b[0m last"])
LOG = "\n".join(
    f"10:{n // 60:02}:{n % 60:02} INFO worker-{n % 7} took job-{n * 7919} in {n % 91} ms" for n in range(400)
)


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "tiers.yaml"
    path.write_text(tiers_yaml("http://127.0.0.1:9/v1", plugins=["gateway_reduce"]), encoding="utf-8")
    return path


def request(*results: str, **more) -> str:
    messages = [{"role": "user", "content": "Build it."}]
    for n, result in enumerate(results):
        call = {"id": f"call_{n}", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
        messages += [{"role": "assistant", "content": None, "tool_calls": [call]}]
        messages += [{"role": "tool", "tool_call_id": f"call_{n}", "content": result}]
    tools = [{"type": "function", "function": {"name": "bash", "parameters": {}}}]
    return json.dumps({"model": "auto", "messages": messages, "tools": tools, **more})


def trim(stdin: str | bytes, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["trim", "-", *arguments], input=stdin)


def test_each_cut_is_shown_with_its_place_and_a_diff(config):
    result = trim(request("nothing to cut", BUILD))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    title = re.fullmatch(r"message 4  tool bash call_1  terminal  about (\d+) -> (\d+) tokens", lines[0])
    removed = int(title[1]) - int(title[2])
    assert lines[1:3] == ["  - ␛[32mok␛[0m first", "  + ok first"]
    assert "    step 2" in lines
    assert "    ... 34 more lines" in lines
    assert "    step 20" not in lines
    assert [line.split() for line in lines if line.startswith("terminal")] == [["terminal", "1", str(removed)]]
    assert "the tool `recall`" in result.stdout
    assert f"{removed - RECALL_TOKENS} of about" in lines[-1]
    assert "\x1b" not in result.stdout


def test_full_shows_every_line_whole(config):
    told = trim(request(BUILD + "x" * 900), "--full").stdout
    assert "    step 20" in told.splitlines()
    assert "x" * 900 in told
    assert "x" * 900 not in trim(request(BUILD + "x" * 900)).stdout


def test_what_can_be_asked_for_again_is_listed_by_its_id(config):
    told = trim(request(LOG)).stdout
    trimmed = json.loads(trim(request(LOG), "--json").stdout)
    [id] = re.findall(r"\[recall ([0-9a-f]{12})", trimmed["messages"][2]["content"])
    [row] = [line.split() for line in told.splitlines() if line.startswith(id)]
    assert row[1] == f"{len(LOG):,}"


def test_the_trimmed_body_alone_can_be_piped(config):
    body = json.loads(request(BUILD, temperature=0.5))
    trimmed = json.loads(trim(json.dumps(body), "--json").stdout)
    assert trimmed["messages"][2].pop("content").startswith("ok first\nstep 0\n")
    del body["messages"][2]["content"]
    assert [tool["function"]["name"] for tool in trimmed["tools"]] == ["bash", "recall"]
    assert {**trimmed, "tools": trimmed["tools"][:1]} == body


def test_without_the_tool_nothing_can_be_asked_for(config):
    config.write_text(config.read_text() + "\ncontext:\n  recall: never\n")
    told = trim(request(LOG)).stdout
    assert "can be asked for" not in told
    assert "recall" not in told
    assert "[left out: " in told


def test_nothing_to_cut_is_said(config):
    assert trim(request("short")).stdout == "Nothing would be cut.\n"
    asked = trim(request(BUILD, metadata={"thriftgate.optimize": "off"}))
    assert asked.stdout == "Nothing would be cut.\n"


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object"),
        (b"\xff\xfe", "not valid"),
        ('{"model": "auto"}', "'messages'"),
        ('{"messages": []}', "'model'"),
    ],
)
def test_a_bad_request_says_why_and_exits_with_2(config, stdin, said):
    result = trim(stdin)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not result.stdout


def test_a_file_is_read_and_one_that_is_not_there_is_told(config):
    (config.parent / "request.json").write_text(request(BUILD))
    assert "terminal" in CliRunner().invoke(main, ["trim", "request.json"]).stdout
    assert CliRunner().invoke(main, ["trim", "nowhere.json"]).exit_code == 2


def test_plugins_of_ones_own_are_asked_in_their_order(config):
    (config.parent / "plugins").mkdir()
    (config.parent / "plugins" / "cut_of_cli.py").write_text(
        "from gateway.api import *\n"
        "class Cut(Plugin, Optimizer):\n"
        "    def optimize(self, request, call):\n"
        "        part = request.parts[-1]\n"
        "        return Optimized((Edit(part.path, part.text[:8], 'half', part.message, 5),))\n"
    )
    text = tiers_yaml("http://127.0.0.1:9/v1", plugins=["gateway_reduce", "cut_of_cli:Cut"])
    config.write_text(text, encoding="utf-8")
    lines = trim(request(BUILD)).stdout.splitlines()
    titles = [line.split()[5] for line in lines if line.startswith("message ")]
    assert titles == ["terminal", "half"]
    assert "  + ok first" in lines


def test_a_terminal_gets_colours_and_markup_is_no_markup(config, monkeypatch):
    out = Console(force_terminal=True, width=200, color_system="standard")
    monkeypatch.setattr("gateway.cli._console", lambda: out)
    with out.capture() as captured:
        CliRunner().invoke(main, ["trim", "-"], input=request("[bold]\x1b[32mok\x1b[0m[/] first\n" + BUILD))
    assert "\x1b[31m  - [bold]␛[32mok␛[0m[/] first" in captured.get()
    assert "\x1b[32m  + [bold]ok[/] first" in captured.get()


def test_any_text_can_be_printed():
    assert show.printable("a\x00\x1b\x7f\x9b\t\ud83d\r") == "a␀␛␡\\x9b\t\\ud83d␍"


def test_a_diff_of_any_two_texts_holds_both():
    before, after = "a\nb\nc\nd", "a\nx\nc\ny\nd"
    lines = show.diff(before, after)
    assert "\n".join(text for sign, text in lines if sign != "+") == before
    assert "\n".join(text for sign, text in lines if sign != "-") == after
    assert [sign for sign, _ in show.diff("a\n" * 30_000, "b\n" * 20_000)][:30_001] == ["-"] * 30_001


def test_every_command_is_documented():
    page = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    documented = re.findall(r"(?m)^\| `(\w+)", page)
    assert sorted(documented) == sorted(main.list_commands(click.Context(main)))
    for option in ("--full", "--json"):
        assert option in page
