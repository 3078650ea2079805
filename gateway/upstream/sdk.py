"""The SDK lane: `litellm.acompletion` carries calls to every provider whose wire we have not proven ourselves.

It takes about 390 keywords, most of them levers on its own inside (`api_base`, `mock_response`, `headers`). A caller's
body never reaches them: the fields of the API go in by an allow-list, what else the body holds goes into `extra_body`
where the provider's wire is OpenAI's, and nowhere otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import ModuleType
from typing import Any

import orjson

from gateway.api import Deployment, Json, UpstreamError, Usage
from gateway.upstream.answers import Streamed, Timeouts, Whole, usage_of
from gateway.upstream.faults import broken
from gateway.upstream.relay import BASES, provider_class
from gateway.upstream.sdk_errors import translated
from gateway.upstream.sse import DONE

_FIELDS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
_TOP = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
# Fields that litellm adds to choices and messages whether or not there is something to say.
_SOMETIMES = ("provider_specific_fields", "thinking_blocks", "images", "annotations")
_OURS = frozenset({"model", "messages", "stream", "stream_options"})
# litellm asks the environment for these addresses (`ANTHROPIC_BASE_URL` and the like, often set to this very gateway).
_BASES: Mapping[str, str] = {**BASES, "anthropic": "https://api.anthropic.com"}


class Sdk:
    """Calls any provider litellm knows. `library` gives litellm once it is loaded."""

    def __init__(self, library: Callable[[], ModuleType], timeouts: Timeouts) -> None:
        self._library = library
        self._timeouts = timeouts

    async def whole(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Whole:
        """The whole answer within `within` seconds. Raises `UpstreamError`."""
        answer = _plain(await self._complete(deployment, body, within, request_id, stream=False))
        usage = _settle_usage(answer)
        if not answer.get("choices"):
            raise broken("protocol", "the upstream's answer holds no choice")
        for choice in answer["choices"]:
            _settle_choice(choice)
        return Whole(orjson.dumps(answer), usage)

    async def stream(self, deployment: Deployment, body: Json, *, within: float, request_id: str) -> Streamed:
        """The answer's events. `within` bounds the wait for the head in seconds, `idle` the silence after it."""
        wait = min(within, self._timeouts.first_byte)
        chunks = await self._complete(deployment, body, wait, request_id, stream=True)
        return Streamed(self._events(chunks, deployment.api_key))

    async def _complete(
        self, deployment: Deployment, body: Json, within: float, request_id: str, *, stream: bool
    ) -> Any:
        litellm = self._library()
        arguments = arguments_for(litellm, deployment, body, stream=stream)
        arguments["timeout"] = max(within, self._timeouts.idle) if stream else within
        arguments["extra_headers"] = {"x-client-request-id": request_id}
        try:
            async with asyncio.timeout(within):
                return await litellm.acompletion(**arguments)
        except TimeoutError:
            raise broken("timeout", f"the upstream did not answer within {within:g} s") from None
        except Exception as error:  # noqa: BLE001  # litellm lets through whatever its providers' code raises
            raise translated(error, secret=deployment.api_key) from None

    async def _events(self, chunks: Any, secret: str | None) -> AsyncGenerator[bytes, None]:
        iterator = aiter(chunks)
        finished = False
        try:
            while True:
                chunk = await self._next(iterator, secret)
                if chunk is None:
                    break
                finished = finished or any(choice.get("finish_reason") for choice in chunk.get("choices") or ())
                yield b"data: " + orjson.dumps(chunk) + b"\n\n"
            if not finished:
                raise broken("reset", "the upstream's stream ended before the answer did")
            yield DONE
        finally:
            await chunks.aclose()

    async def _next(self, iterator: Any, secret: str | None) -> Json | None:
        try:
            async with asyncio.timeout(self._timeouts.idle):
                chunk = await anext(iterator, None)
        except TimeoutError:
            raise broken("timeout", f"the upstream fell silent for {self._timeouts.idle:g} s") from None
        except Exception as error:  # noqa: BLE001  # as above
            failure = translated(error, secret=secret)
            raise _in_the_middle(failure) from None
        return None if chunk is None else _plain_chunk(chunk)


def arguments_for(litellm: ModuleType, deployment: Deployment, body: Json, *, stream: bool) -> dict[str, Any]:
    """The keywords for `acompletion`. The body is copied through and through, since litellm edits what it is given."""
    given: Json = orjson.loads(orjson.dumps(body))
    arguments: dict[str, Any] = {name: value for name, value in given.items() if name in _FIELDS and value is not None}
    rest = {name: value for name, value in given.items() if name not in _FIELDS and name not in _OURS}
    if _speaks_openai(litellm, deployment):
        if "user" in arguments:
            rest["user"] = arguments.pop("user")  # which litellm leaves out for models it does not know
        if rest:
            arguments["extra_body"] = rest
    return {
        **arguments,
        "model": f"{deployment.provider}/{deployment.upstream_model}",
        "messages": given.get("messages") or [],
        "api_key": deployment.api_key,
        "api_base": deployment.api_base or _BASES.get(deployment.provider),
        "stream": stream,
        "stream_options": {"include_usage": True} if stream else None,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,
        "no-log": True,
    }


def _speaks_openai(litellm: ModuleType, deployment: Deployment) -> bool:
    """Whether the provider's body is OpenAI's, so that fields we do not know have a place in it."""
    try:
        config = provider_class(litellm, deployment.provider, deployment.upstream_model)
    except ValueError:  # a provider litellm knows by another way than a class
        return False
    return isinstance(config, litellm.OpenAIGPTConfig)


def _plain(answer: Any) -> Json:
    """As a dictionary of what OpenAI has at the top; litellm adds fields of its own."""
    dumped: Json = answer.model_dump(exclude_none=True)
    return {name: value for name, value in dumped.items() if name in _TOP}


def _settle_choice(choice: Json) -> None:
    choice.setdefault("finish_reason", None)
    _drop_hollow(choice)
    message = choice.get("message", {})
    message.setdefault("content", None)
    _drop_hollow(message)
    for call in message.get("tool_calls") or ():
        call.pop("index", None)  # belongs to streams


def _plain_chunk(chunk: Any) -> Json:
    plain = _plain(chunk)
    _settle_usage(plain)
    choices = plain.setdefault("choices", [])
    for choice in choices:
        choice.setdefault("finish_reason", None)
        _drop_hollow(choice)
        _drop_hollow(choice.get("delta", {}))
    if "usage" in plain and not any(choice.get("delta") or choice["finish_reason"] for choice in choices):
        plain["choices"] = []  # as OpenAI sends it; litellm adds an empty choice
    return plain


def _drop_hollow(item: Json) -> None:
    for name in _SOMETIMES:
        value = item.get(name)
        if name in item and not (any(value.values()) if isinstance(value, dict) else value):
            del item[name]


def _settle_usage(answer: Json) -> Usage | None:
    """litellm writes zeros where the upstream reported nothing; unknown is left out instead."""
    usage = usage_of(answer)
    if usage is None or (usage.input == 0 and usage.output == 0):
        answer.pop("usage", None)
        return None
    answer["usage"].pop("cost", None)  # its own estimate, from its own price list
    return usage


def _in_the_middle(failure: UpstreamError) -> UpstreamError:
    """A connection that was there cannot have been refused: what looks so in a running stream is a reset."""
    if failure.fault != "connect":
        return failure
    return broken("reset", failure.message)
