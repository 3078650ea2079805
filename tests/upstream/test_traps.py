"""Each trap of litellm that docs/decisions/0004 names is held by a test: here, or in the file of the lane it is in."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Malicious, pulled from the registry, or not installable.
FORBIDDEN = ("1.82.7", "1.82.8", "1.107.", "1.108.", "1.109.")


def python(code: str, cwd: Path) -> str:
    """Runs code in a fresh interpreter that can import the gateway, and gives what it printed."""
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run(  # noqa: S603  # our own interpreter and code
        [sys.executable, "-c", path + code], cwd=cwd, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_litellm_is_pinned_exactly_and_hashed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [pin] = [one for one in project["dependencies"] if one.startswith("litellm")]
    name, _, pinned = pin.partition("==")
    assert (name, pinned) == ("litellm", version("litellm"))
    assert not pinned.startswith(FORBIDDEN)
    for lock in ("run.lock", "dev.lock"):
        lines = (ROOT / "requirements" / lock).read_text().splitlines()
        [at] = [index for index, line in enumerate(lines) if line.startswith("litellm==")]
        assert lines[at].startswith(f"litellm=={pinned} ")
        assert "--hash=sha256:" in lines[at + 1]


def test_mcp_comes_along_since_tools_need_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(one.startswith("mcp") for one in project["dependencies"])
    assert version("mcp")


def test_importing_the_room_does_not_import_litellm(tmp_path) -> None:
    code = "import gateway.upstream, gateway.upstream.scripted; print('litellm' in sys.modules)"
    assert python(code, tmp_path).strip() == "False"


def test_loading_reaches_for_no_network_and_reads_no_dotenv(tmp_path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-of-somebodys-dotenv\n")
    code = """
import json, os, socket
os.environ.pop("OPENAI_API_KEY", None)
reached = []
def refuse(*where, **_):
    reached.append(str(where[:2]))
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from gateway.upstream.library import load, warm
litellm = load()
warm(litellm)
print(json.dumps({
    "reached": reached,
    "key": os.environ.get("OPENAI_API_KEY"),
    "map": os.environ["LITELLM_LOCAL_MODEL_COST_MAP"],
    "repeats": litellm.REPEATED_STREAMING_CHUNK_LIMIT,
    "quiet": litellm.suppress_debug_info,
    "downloads": not litellm.disable_hf_tokenizer_download,
    "callbacks": [*litellm.callbacks, *litellm.success_callback, *litellm.failure_callback],
}))
"""
    seen = json.loads(python(code, tmp_path).splitlines()[-1])
    assert seen == {
        "reached": [],
        "key": None,
        "map": "True",
        "repeats": sys.maxsize,
        "quiet": True,
        "downloads": False,
        "callbacks": [],
    }


@pytest.mark.parametrize("transport", ["auto", "sdk"])
async def test_tools_work_in_both_lanes(up, whole, deployment, transport) -> None:
    up.reply(tool_calls=(("f", {"a": 1}),))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    body = {"messages": [{"role": "user", "content": "x"}], "tools": [tool]}
    answer = await whole(deployment(api_base=up.url, transport=transport), body)
    assert b'"tool_calls"' in answer.body
    assert up.calls[0].body["tools"] == [tool]


async def test_the_lanes(upstreams, deployment) -> None:
    assert upstreams.lane(deployment("openai/gpt-4o")) == "provider"
    assert upstreams.lane(deployment("openai/gpt-4o", transport="sdk")) == "sdk"
    assert upstreams.lane(deployment("anthropic/claude-sonnet-4-5")) == "provider"
    assert upstreams.lane(deployment("gemini/gemini-2.5-flash")) == "provider"
    assert upstreams.lane(deployment("gemini/gemini-2.5-flash", transport="sdk")) == "sdk"
    assert upstreams.lane(deployment("cohere/command-r")) == "sdk"


async def test_an_address_is_needed_where_there_is_no_common_one(call, deployment) -> None:
    from gateway.api import UpstreamError  # noqa: PLC0415  # only here

    with pytest.raises(UpstreamError) as caught:
        await call(deployment("hosted_vllm/some-model"))
    assert (caught.value.code, caught.value.retryable, caught.value.elsewhere) == ("misconfigured", False, True)
