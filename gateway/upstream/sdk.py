"""The SDK lane: `litellm.acompletion` carries calls to every provider whose wire we have not proven ourselves.

The fields of the API go in by an allow-list (`fields.py`); what else the body holds goes into `extra_body` where the
provider's wire is OpenAI's, and nowhere otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from types import ModuleType
from typing import Any

from gateway.api import Deployment, Json, UpstreamError
from gateway.upstream.answers import Streamed, Timeouts, Whole
from gateway.upstream.faults import broken
from gateway.upstream.fields import FIELDS, copied
from gateway.upstream.plain import plain_answer, plain_chunk
from gateway.upstream.providers import BASES, RELAYED, TRANSLATED, provider_class
from gateway.upstream.sdk_errors import translated
from gateway.wire import DONE, dumps

_OURS = frozenset({"model", "messages", "stream", "stream_options"})


class Sdk:
    """Calls any provider litellm knows. `library` gives litellm once it is loaded."""

    def __init__(self, library: Callable[[], ModuleType], timeouts: Timeouts) -> None:
        self._library = library
        self.timeouts = timeouts

    async def whole(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Whole:
        """The whole answer within `within` seconds. Raises `UpstreamError`."""
        answer = plain_answer(await self._complete(deployment, body, within, request_id, stream=False))
        return Whole(dumps(answer))

    async def stream(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Streamed:
        """The answer's events. `within` bounds the wait for the head in seconds, `idle` the silence after it."""
        wait = min(within, self.timeouts.first_byte)
        chunks = await self._complete(deployment, body, wait, request_id, stream=True)
        return Streamed(self._events(chunks, deployment.api_key))

    async def _complete(
        self, deployment: Deployment, body: Json, within: float, request_id: str, *, stream: bool
    ) -> Any:
        litellm = self._library()
        arguments = arguments_for(litellm, deployment, body, stream=stream)
        arguments["timeout"] = max(within, self.timeouts.idle) if stream else within
        arguments["extra_headers"] = {"x-client-request-id": request_id}
        sending: list[Any] = []
        arguments["logger_fn"] = sending.append  # which litellm calls right before it calls the upstream
        try:
            async with asyncio.timeout(within):
                return await litellm.acompletion(**arguments)
        except TimeoutError:
            raise broken("timeout", f"the upstream did not answer within {within:g} s") from None
        except Exception as error:  # noqa: BLE001  # litellm lets through whatever its providers' code raises
            raise translated(error, secret=deployment.api_key, sent=bool(sending)) from None

    async def _events(self, chunks: Any, secret: str | None) -> AsyncGenerator[list[bytes], None]:
        iterator = aiter(chunks)
        finished = False
        try:
            while True:
                chunk = await self._next(iterator, secret)
                if chunk is None:
                    break
                finished = finished or any(choice.get("finish_reason") for choice in chunk.get("choices") or ())
                yield [b"data: " + dumps(chunk) + b"\n\n"]
            if not finished:
                raise broken("reset", "the upstream's stream ended before the answer did")
            yield [DONE]
        finally:
            await chunks.aclose()

    async def _next(self, iterator: Any, secret: str | None) -> Json | None:
        try:
            async with asyncio.timeout(self.timeouts.idle):
                chunk = await anext(iterator, None)
        except TimeoutError:
            raise broken("timeout", f"the upstream fell silent for {self.timeouts.idle:g} s") from None
        except Exception as error:  # noqa: BLE001  # as above
            failure = translated(error, secret=secret)
            raise _in_the_middle(failure) from None
        return None if chunk is None else plain_chunk(chunk)


def arguments_for(litellm: ModuleType, deployment: Deployment, body: Json, *, stream: bool) -> dict[str, Any]:
    """The keywords for `acompletion`. The body is copied through and through, since litellm edits what it is given."""
    given: Json = copied(body)
    arguments: dict[str, Any] = {name: value for name, value in given.items() if name in FIELDS and value is not None}
    rest = {name: value for name, value in given.items() if name not in FIELDS and name not in _OURS}
    if _speaks_openai(litellm, deployment):
        if "user" in arguments:
            rest["user"] = arguments.pop("user")  # which litellm leaves out for models it does not know
        if rest:
            arguments["extra_body"] = rest
    return {
        **arguments,
        "model": f"{deployment.provider}/{deployment.upstream_model}",
        "messages": given.get("messages") or [],
        "api_key": deployment.api_key or _no_key(deployment),
        "api_base": deployment.api_base or BASES.get(deployment.provider),
        "stream": stream,
        "stream_options": {"include_usage": True} if stream else None,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,
        "no-log": True,
        "_skip_mcp_handler": True,  # else a tool of type `mcp` starts litellm's own proxy, to run it here
    }


def _no_key(deployment: Deployment) -> str | None:
    """Without a key litellm takes one out of the environment, and would send it to whatever address is configured. Only
    providers that may have no key in one word are left to find their credentials so."""
    return "none" if deployment.provider in RELAYED | TRANSLATED else None


def _speaks_openai(litellm: ModuleType, deployment: Deployment) -> bool:
    """Whether the provider's body is OpenAI's, so that fields we do not know have a place in it."""
    try:
        config = provider_class(litellm, deployment.provider, deployment.upstream_model)
    except ValueError:  # a provider litellm knows by another way than a class
        return False
    return isinstance(config, litellm.OpenAIGPTConfig)


def _in_the_middle(failure: UpstreamError) -> UpstreamError:
    """A connection that was there cannot have been refused: what looks so in a running stream is a reset."""
    if failure.fault != "connect":
        return failure
    return broken("reset", failure.message)
