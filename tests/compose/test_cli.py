"""The command line, as a person or a script meets it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from rich.console import Console

from gateway import __version__
from gateway.cli import main
from gateway.config import shipped
from gateway.testing import ENV, tiers_yaml

SHIPPED = ["gateway_reduce", "gateway_complexity", "gateway_tiers", "gateway_prometheus"]
REQUEST = {"model": "large", "messages": [{"role": "user", "content": "Summarize these logs: a, b, c"}]}
BAD = """\
server:
  port: 70000
  max_atempts: 3
tiers:
  base:
    models:
      - name: everyday
        model: openai/gpt-6.1-sol
        api_key: sk-in-the-file
plugins:
  - gateway_tiers:
      horizon: soon
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty working directory, without a provider's key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.path_importer_cache.pop("plugins", None)  # a relative folder is remembered with the directory of its first use
    for name in [name for name in os.environ if name.endswith("_API_KEY") or name.startswith("THRIFTGATE_")]:
        monkeypatch.delenv(name)
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def config(home) -> Path:
    path = home / "tiers.yaml"
    path.write_text(tiers_yaml("http://127.0.0.1:9/v1", plugins=SHIPPED), encoding="utf-8")
    return path


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own program


def test_a_valid_file_is_said_to_be_valid(config):
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout == "tiers.yaml: valid. 3 of 3 deployments are active.\n"
    assert not result.stderr


def test_check_says_what_is_inactive_and_what_has_no_price(config, monkeypatch):
    monkeypatch.delenv("SCRIPTED_KEY")
    result = run("check")
    assert result.exit_code == 0
    assert "0 of 3 deployments are active" in result.stdout
    assert "inactive: small (" in result.stdout
    assert "SCRIPTED_KEY" in result.stdout
    monkeypatch.setenv("SCRIPTED_KEY", "k")
    unpriced = yaml.safe_load(config.read_text())
    [small] = unpriced["tiers"]["weak"]["models"]
    del small["price"]
    config.write_text(yaml.safe_dump(unpriced))
    result = run("check")
    assert result.exit_code == 0
    assert "no price known: small; its cost will be `unknown`" in result.stdout


def test_every_problem_is_shown_with_its_place_and_the_exit_code_is_2(home):
    (home / "tiers.yaml").write_text(BAD)
    result = run("check")
    assert result.exit_code == 2
    assert not result.stdout
    *problems, count = result.stderr.strip().splitlines()
    assert count == f"{len(problems)} problems"
    places = [problem.split(" ", 1)[0] for problem in problems]
    assert places == ["tiers.yaml:2:9:", "tiers.yaml:3:3:", "tiers.yaml:9:18:", "tiers.yaml:12:16:"]
    assert "max_attempts" in problems[1]
    assert "sk-in-the-file" not in result.output


def test_a_plugins_settings_are_checked_too(home):
    text = tiers_yaml("http://127.0.0.1:9/v1", plugins=[{"gateway_tiers": {"horizon": "soon"}}])
    (home / "tiers.yaml").write_text(text)
    result = run("check")
    assert result.exit_code == 2
    [problem, count] = result.stderr.strip().splitlines()
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "horizon" in line)
    assert problem.startswith(f"tiers.yaml:{line}:")
    assert count == "1 problem"


@pytest.mark.parametrize("command", ["check", "models", "plugins", "explain", "trim", "serve"])
def test_no_command_runs_with_a_bad_file(home, command):
    (home / "tiers.yaml").write_text(BAD)
    result = run(command, *(["-"] if command in ("explain", "trim") else []), stdin=json.dumps(REQUEST))
    assert result.exit_code == 2
    assert "tiers.yaml:2:9: error" in result.stderr


def test_the_file_asked_for_then_the_one_here_then_the_shipped_one(home, config):
    other = home / "other.yaml"
    other.write_text(config.read_text())
    assert run("check", "--config", str(other)).stdout.startswith(f"{other}: valid")
    assert run("check").stdout.startswith("tiers.yaml: valid")
    config.unlink()
    assert run("check").stdout.startswith(f"{shipped()}: valid")


def test_a_file_asked_for_that_is_not_there_is_a_problem(home, config):
    result = run("check", "--config", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml" in result.stderr


def test_the_decision_as_a_person_reads_it(home, config):
    (home / "request.json").write_text(json.dumps(REQUEST))
    result = run("explain", "request.json")
    assert result.exit_code == 0, result.output
    first = result.stdout.splitlines()[0]
    assert first.split()[0] in ("small", "middle", "large")
    for said in (
        "asked for large",
        "of 10",
        "context_size",
        "task_type",
        "breadth",
        "past_failures",
        "tokens",
        "trimmed",
    ):
        assert said in result.stdout
    for deployment in ("small", "middle", "large"):
        assert deployment in result.stdout.partition("candidate")[2]
    assert "$0." in result.stdout


def test_the_decision_as_json_from_standard_input(config):
    result = run("explain", "-", "--json", stdin=json.dumps(REQUEST))
    assert result.exit_code == 0
    decision = json.loads(result.stdout)
    assert decision["asked"] == {"model": "large", "kind": "deployment", "compared_with": "openai/large-1"}
    assert decision["considered"][0]["deployment"] == decision["decision"]["deployment"]


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object"),
        (json.dumps({**REQUEST, "model": "nobody"}), "404 model_not_found"),
        (json.dumps({"model": "auto"}), "400 missing_required_parameter"),
    ],
)
def test_a_request_that_would_be_refused_says_why(config, stdin, said):
    result = run("explain", "-", stdin=stdin)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr


def test_a_plugin_that_does_not_start_is_told_as_a_problem(home, config):
    (home / "plugins").mkdir()
    (home / "plugins" / "bad_of_cli.py").write_text(
        "from gateway.api import Guard, Plugin\n"
        "class Bad(Plugin, Guard):\n"
        "    async def check(self, request, call): ...\n"
        "    async def start(self): raise OSError('no luck')\n"
    )
    config.write_text(tiers_yaml("http://127.0.0.1:9/v1", plugins=["bad_of_cli:Bad"]), encoding="utf-8")
    result = run("explain", "-", stdin=json.dumps(REQUEST))
    assert result.exit_code == 2
    assert "error: `bad_of_cli:Bad` does not start: OSError: no luck" in result.stderr


def test_a_request_file_that_is_not_there(config):
    assert run("explain", "nowhere.json").exit_code == 2


def test_explaining_leaves_no_ledger_behind(home, config):
    run("explain", "-", stdin=json.dumps(REQUEST))
    assert [path.name for path in home.iterdir()] == ["tiers.yaml"]


def test_models_are_listed_by_tier_with_price_and_state(config, monkeypatch):
    rows = [line.split() for line in run("models").stdout.splitlines()]
    assert [row[:6] for row in rows[1:]] == [
        ["weak", "small", "openai/small-1", "0.1", "0.4", "200,000"],
        ["base", "middle", "openai/middle-1", "1", "4", "200,000"],
        ["strong", "large", "openai/large-1", "5", "20", "200,000"],
    ]
    assert all(row[6] == "active" for row in rows[1:])
    monkeypatch.delenv("SCRIPTED_KEY")
    assert run("models").stdout.count("SCRIPTED_KEY") == 3


def test_plugins_are_listed_with_what_they_do(home, config):
    (home / "plugins").mkdir()
    (home / "plugins" / "mine_of_cli.py").write_text(
        "from gateway.api import Guard, Listener, Plugin\n"
        "class Mine(Plugin, Guard, Listener):\n"
        "    'Does little.\\n\\n    And more.'\n"
        "    async def check(self, request, call): ...\n"
        "    async def on_event(self, event): ...\n"
    )
    config.write_text(
        tiers_yaml("http://127.0.0.1:9/v1", plugins=["gateway_reduce", "mine_of_cli:Mine"]), encoding="utf-8"
    )
    lines = run("plugins").stdout.splitlines()
    rows = {line.split()[0]: line for line in lines[1:]}
    assert set(rows) >= {*SHIPPED, "mine_of_cli:Mine"}
    assert rows["gateway_reduce"].split()[1:3] == ["yes", "optimizer"]
    assert rows["gateway_tiers"].split()[1:3] == ["no", "router"]
    assert rows["mine_of_cli:Mine"].split(maxsplit=1)[1].strip() == "yes   guard, listener    Does little."


def test_init_writes_the_shipped_file_and_overwrites_nothing(home):
    assert run("init").exit_code == 0
    assert (home / "tiers.yaml").read_bytes() == shipped().read_bytes()
    assert run("check").exit_code == 0
    (home / "tiers.yaml").write_text("mine")
    again = run("init")
    assert again.exit_code == 1
    assert "it was left as it is" in again.stderr
    assert (home / "tiers.yaml").read_text() == "mine"
    assert run("init", "other.yaml").exit_code == 0
    assert (home / "other.yaml").read_bytes() == shipped().read_bytes()


def test_version_and_help(home):
    assert run("--version").stdout == f"thriftgate, version {__version__}\n"
    for command in ("serve", "check", "explain", "trim", "models", "plugins", "init"):
        assert command in run("-h").stdout
        assert run(command, "-h").exit_code == 0


def test_an_address_that_is_taken_is_one_line(config):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = python("-m", "gateway", "serve", "--port", port)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Error: cannot listen on 127.0.0.1, port {port}: Address already in use"
    assert "Traceback" not in done.stderr


def test_an_address_that_is_not_ours_is_one_line(config):
    done = python("-m", "gateway", "serve", "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot listen on 192.0.2.1, port 0: ")


def test_a_narrow_terminal_shows_every_name_whole(config, monkeypatch):
    console = Console
    monkeypatch.setattr("gateway.cli._console", lambda: console(highlight=False, width=60))
    lines = run("models").stdout.splitlines()
    assert lines[0].split() == ["tier", "name", "$/M", "in", "$/M", "out", "window", "status"]
    assert [line.split()[1] for line in lines[1:]] == ["small", "middle", "large"]
    assert max(map(len, lines)) <= 60


def test_a_long_path_is_not_broken_into_lines(home, config):
    deep = home / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    config.rename(deep / "tiers.yaml")
    assert run("check", "--config", str(deep / "tiers.yaml")).stdout.count("\n") == 1


def test_the_help_cuts_no_sentence(home):
    assert "..." not in run("-h").stdout.replace("[ARGS]...", "")


def test_only_serve_loads_the_provider_library(home, config):
    (home / "request.json").write_text(json.dumps(REQUEST))
    program = """
import sys
from gateway.cli import main
asked = (["explain", "request.json"], ["trim", "request.json"])
for command in (["check"], ["models"], ["plugins"], *asked, ["init", "new.yaml"], ["serve", "-h"]):
    try:
        main(command)
    except SystemExit as end:
        assert not end.code, command
    assert not {"litellm", "openai"} & set(sys.modules), command
print("none of them did")
"""
    done = python("-c", program)
    assert done.stdout.endswith("none of them did\n"), done.stderr
