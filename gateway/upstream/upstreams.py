"""Two lanes behind one port: the deployment decides which one carries its calls, but for the few requests that the
provider lane cannot shape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import Literal

from gateway.api import Deployment, Json
from gateway.upstream.answers import Streamed, Timeouts, Whole
from gateway.upstream.faults import broken
from gateway.upstream.http import Client
from gateway.upstream.library import load, warm
from gateway.upstream.local import LocalModel
from gateway.upstream.providers import RELAYED, TRANSLATED
from gateway.upstream.relay import Relay
from gateway.upstream.sdk import Sdk
from gateway.upstream.translated import Translated

Lane = Literal["provider", "sdk"]


class Upstreams:
    """Calls any deployment. Needs a running event loop; `start()` before the first call, `close()` at the end."""

    def __init__(self, timeouts: Timeouts | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._library: ModuleType | None = None
        self._loading: asyncio.Task[ModuleType] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._starting_local: asyncio.Task[str] | None = None
        self._client: Client | None = None
        self._relay: Relay | None = None
        self._translated: Translated | None = None
        self._sdk = Sdk(self._litellm, self._timeouts)
        self._local = LocalModel()

    async def start(self, deployments: Iterable[Deployment] = ()) -> None:
        """Begins to load litellm in a thread and returns at once. For the given deployments it also begins what their
        first call would have to wait for: the SDK lane's imports, the local model's process."""
        if self._loading is None:
            self._client = Client(self._timeouts)
            self._relay = Relay(self._client, self._litellm, self._timeouts)
            self._translated = Translated(self._client, self._litellm, self._timeouts)
            self._loading = asyncio.ensure_future(self._load())
        active = [deployment for deployment in deployments if deployment.inactive is None]
        if any(self.lane(deployment) == "sdk" for deployment in active):
            self._warm()
        if any(deployment.provider == "local" for deployment in active):
            self.start_local()

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """New timeouts for every call that begins from now on; running ones keep theirs."""
        self._timeouts = self._sdk.timeouts = timeouts
        if self._client is not None and self._relay is not None and self._translated is not None:
            self._client.use(timeouts)
            self._relay.timeouts = self._translated.timeouts = timeouts

    async def _load(self) -> ModuleType:
        self._library = await asyncio.to_thread(load)
        return self._library

    def _warm(self) -> asyncio.Task[None]:
        async def warm_up() -> None:
            await self.wait_ready()
            await asyncio.to_thread(warm, self._litellm())

        if self._warming is None:
            self._warming = asyncio.ensure_future(warm_up())
        return self._warming

    def start_local(self) -> None:
        """Begins to start the local model's process; a failure shows at the first call."""
        if self._starting_local is None:
            self._starting_local = asyncio.ensure_future(self._local.address())
            self._starting_local.add_done_callback(_look_at)

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
        """Closes every connection and ends the local model. A thread that still imports is left to end by itself."""
        for task in (self._loading, self._warming, self._starting_local):
            if task is not None:
                task.cancel()
        await self._local.close()
        if self._client is not None:
            await self._client.close()

    def lane(self, deployment: Deployment) -> Lane:
        """`provider`: litellm's class shapes the call, our own client carries it, and the answer is relayed byte for
        byte or translated by the class. `sdk`: litellm does all of it.

        A request that the class cannot shape alone (Gemini's cached contents) goes by the SDK lane whatever this says.
        """
        proven = deployment.provider in RELAYED or deployment.provider in TRANSLATED
        return "provider" if proven and deployment.transport == "auto" else "sdk"

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
        if self._library is not None and self._relay is not None and self._relayed(deployment):
            lane: Relay | Translated | Sdk = self._relay  # nearly every call: nothing to wait for
        else:
            began = asyncio.get_running_loop().time()
            lane = await self._lane_for(deployment, body, timeout)
            if deployment.provider == "local":
                deployment = replace(deployment, api_base=await self._local.address(), transport="auto")
            timeout = max(0.001, began + timeout - asyncio.get_running_loop().time())
        carry = lane.stream if stream else lane.whole
        return await carry(deployment, body, within=timeout, request_id=request_id)

    def _relayed(self, deployment: Deployment) -> bool:
        """Whether a call needs nothing but the relay; the local model's process may have to be started first."""
        return deployment.provider in RELAYED and deployment.provider != "local" and deployment.transport == "auto"

    async def _lane_for(self, deployment: Deployment, body: Json, within: float) -> Relay | Translated | Sdk:
        """The lane, once it can carry: calls that come before litellm is loaded wait for it."""
        try:
            async with asyncio.timeout(within):
                await self.wait_ready()
                if self.lane(deployment) == "provider":
                    if deployment.provider in RELAYED and self._relay is not None:
                        return self._relay
                    if self._translated is not None and await self._translated.fits(deployment, body):
                        return self._translated
                await asyncio.shield(self._warm())
                return self._sdk
        except TimeoutError:
            raise broken("timeout", "the provider library was not loaded in time", code="starting") from None


def _look_at(task: asyncio.Task[str]) -> None:
    """Takes note of a failure, so that nobody is warned of an error that no one looked at."""
    if not task.cancelled():
        task.exception()
