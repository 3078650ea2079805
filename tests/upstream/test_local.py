"""The real local model in its child process."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from gateway.api import UpstreamError
from gateway.upstream import local_available
from gateway.upstream.local import LocalModel

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(local_available() is not None, reason=local_available() or ""),
]

ROOT = Path(__file__).resolve().parents[2]
SAY = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 6}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_it_answers_streams_and_keeps_to_a_schema(call, deployment) -> None:
    target = deployment("local/smollm2-135m-instruct", api_key=None)
    answer = await call(target, SAY, within=100)
    body = orjson.loads(answer.body)
    assert body["model"] == "smollm2-135m-instruct"
    assert body["choices"][0]["message"]["content"]
    assert body["usage"]["completion_tokens"] <= 6

    stream = await call(target, SAY, stream=True, within=100)
    got = [event async for batch in stream.events for event in batch]
    assert got[-1] == b"data: [DONE]\n\n"
    assert b'"usage"' in got[-2]

    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    asked = {**SAY, "max_tokens": 40, "response_format": wanted, "temperature": 0}
    answer = await call(target, asked, within=100)
    content = orjson.loads(answer.body)["choices"][0]["message"]["content"]
    assert isinstance(orjson.loads(content)["ok"], bool)

    long = {"messages": [{"role": "user", "content": "word " * 9000}]}
    with pytest.raises(UpstreamError) as caught:
        await call(target, long, within=100)
    assert (caught.value.code, caught.value.elsewhere) == ("context_length_exceeded", True)


async def test_one_that_dies_is_started_again_but_not_for_ever() -> None:
    model = LocalModel()
    for _ in range(3):
        await model.address()
        pid = model.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await gone(pid)
        while model.pid is not None:
            await asyncio.sleep(0.01)
    with pytest.raises(UpstreamError) as caught:
        await model.address()
    assert caught.value.code == "local_unavailable"
    await model.close()


async def test_a_process_that_cannot_be_had_is_said_to_be_the_reason(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(UpstreamError, match="process does not start: No such file") as caught:
        await LocalModel().address()
    assert caught.value.code == "local_unavailable"


async def test_it_ends_with_the_gateway_and_with_a_gateway_that_was_killed() -> None:
    model = LocalModel()
    await model.address()
    pid = model.pid
    assert pid is not None
    await model.close()
    assert not alive(pid)

    code = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from gateway.upstream.local import LocalModel
async def main():
    model = LocalModel()
    await model.address()
    print(model.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert await gone(int(done.stdout))
