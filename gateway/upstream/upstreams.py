"""Two lanes behind one port: which one carries a call is decided per deployment."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Literal

from gateway.api import Deployment, Json, UpstreamError
from gateway.upstream.answers import Streamed, Timeouts, Whole
from gateway.upstream.faults import broken
from gateway.upstream.http import Client
from gateway.upstream.library import load
from gateway.upstream.relay import PROVEN, Relay
from gateway.upstream.sdk import Sdk

Lane = Literal["provider", "sdk"]


class Upstreams:
    """Calls any deployment. Needs a running event loop; `start()` before the first call, `close()` at the end."""

    def __init__(self, timeouts: Timeouts | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._library: ModuleType | None = None
        self._loading: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._relay: Relay | None = None
        self._sdk = Sdk(self._litellm, self._timeouts)

    async def start(self) -> None:
        """Begins to load litellm in a thread and returns at once."""
        if self._loading is not None:
            return
        client = self._client = Client(self._timeouts)
        self._relay = Relay(client, self._litellm, self._timeouts)
        self._loading = asyncio.ensure_future(self._load())

    async def _load(self) -> None:
        self._library = await asyncio.to_thread(load)

    def _litellm(self) -> ModuleType:
        if self._library is None:
            raise broken("connect", "the provider library is not loaded yet", code="starting")
        return self._library

    @property
    def ready(self) -> bool:
        """Whether litellm is loaded."""
        return self._library is not None

    async def wait_ready(self) -> None:
        """Returns once litellm is loaded; raises what its import raised."""
        if self._loading is None:
            raise RuntimeError("Upstreams.start() comes first")
        await asyncio.shield(self._loading)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def lane(self, deployment: Deployment) -> Lane:
        """`provider`: litellm's class shapes the call and our own client carries it. `sdk`: litellm carries it."""
        return "provider" if deployment.transport == "auto" and deployment.provider in PROVEN else "sdk"

    async def call(
        self,
        deployment: Deployment,
        body: Json,
        *,
        stream: bool,
        timeout: float,  # noqa: ASYNC109  # what is left of the request's deadline, passed on to three clients
        request_id: str,
    ) -> Whole | Streamed:
        """Calls a deployment with an OpenAI chat body; the model's name and `stream` are set here.

        `timeout` in seconds bounds a whole answer, or the wait for a stream's head. Raises `UpstreamError`.
        """
        await self.wait_ready()
        if self._relay is None:
            raise UpstreamError("closed", fault="connect", retryable=False, elsewhere=False)
        lane = self._relay if self.lane(deployment) == "provider" else self._sdk
        carry = lane.stream if stream else lane.whole
        return await carry(deployment, body, within=timeout, request_id=request_id)
