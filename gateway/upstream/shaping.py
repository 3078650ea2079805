"""What the providers with a wire of their own have in common: the way from a caller's body to litellm's class.

`acompletion` does a little to a body before it asks the class of the provider; that little is done here, in its order,
by its own functions. `tests/upstream/test_translated_contract.py` compares the outcome.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson

from gateway.api import Deployment, Json
from gateway.upstream.address import Address
from gateway.upstream.chunks import Chunks
from gateway.upstream.fields import FIELDS, OWN_FIELDS, copied

_MOST_KEPT = 32
_LONGEST_KEPT = 128 * 1024  # bytes of fields


class Reading(Protocol):
    """How the answer to one request is read. What these raise beyond `UpstreamError` is litellm's."""

    def whole(self, answer: Json, headers: Mapping[str, str]) -> Json:
        """A whole answer, parsed and known to be no error, as an OpenAI chat completion."""

    def event(self, event: Json) -> list[bytes]:
        """The OpenAI events that one event of the stream stands for."""

    def ending(self) -> list[bytes] | None:
        """The last events, once the upstream has said that the answer is complete; `None` before."""

    @property
    def stops(self) -> bool:
        """Whether the stream's last event has been read, so that nothing more is to be waited for."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A request as the upstream wants it, and how to read the answer."""

    to: Address
    headers: Mapping[str, str]
    body: Json
    reading: Reading


class Dialect(Protocol):
    """The wire of one deployment. Made off the event loop: the first one imports what litellm needs."""

    def fits(self, body: Json) -> bool:
        """Whether the class alone can shape this body; what needs `acompletion` around it goes to the SDK lane."""

    def shape(self, body: Json, *, stream: bool) -> Shaped:
        """Raises whatever litellm's code raises."""


@dataclass(frozen=True, slots=True)
class Given:
    """A body's messages and its fields, copied, and as `acompletion` hands them to the class. `own` fields are the
    provider's and not OpenAI's: they pass beside the class's mapping."""

    messages: list[Json]
    params: Json
    own: Json


class Preparation:
    """Takes bodies for one deployment apart."""

    def __init__(self, config: Any, deployment: Deployment) -> None:
        from litellm import utils  # noqa: PLC0415  # loaded by now

        supported = set(config.get_supported_openai_params(deployment.upstream_model))
        allowed = FIELDS | OWN_FIELDS[deployment.provider]
        # The class maps field by field, and what it does with one depends on those it has seen.
        order = [*inspect.signature(utils.get_optional_params).parameters, *sorted(allowed)]
        self._mapped = [name for name in dict.fromkeys(order) if name in allowed and name in supported]
        self._own = sorted(OWN_FIELDS[deployment.provider] - supported)
        self._response_format: Callable[[Any], Any] = config.get_json_schema_from_pydantic_object
        self._messages: Callable[..., list[Json]] = utils.validate_and_fix_openai_messages
        self._developer: Callable[..., list[Json]] = config.translate_developer_role_to_system_role
        self._fixes: Mapping[str, Callable[[Any], Any]] = {
            "tools": utils.validate_and_fix_openai_tools,
            "tool_choice": utils.validate_chat_completion_tool_choice,
            "thinking": utils.validate_and_fix_thinking_param,
            "stop": utils.validate_openai_optional_params,
            "response_format": self._response_format,
        }

    def __call__(self, body: Json) -> Given:
        given = copied({name: body[name] for name in (*self._mapped, *self._own, "messages") if name in body})
        params: Json = {}
        for name in self._mapped:
            value = given.get(name)
            fix = self._fixes.get(name)
            value = fix(value) if fix is not None and value is not None else value
            if value is not None:
                params[name] = value
        own = {name: given[name] for name in self._own if given.get(name) is not None}
        messages = self._developer(self._messages(messages=given.get("messages") or []))
        return Given(messages, params, own)


class FieldMap:
    """`map_openai_params` of one deployment's class. An agent sends the same tools call after call, and mapping them
    costs up to half of a request, so the latest outcomes are kept: the class makes them of the fields alone."""

    def __init__(self, config: Any, model: str) -> None:
        self._config = config
        self._model = model
        self._kept: dict[bytes, Json] = {}

    def __call__(self, params: Json) -> Json:
        try:
            key = orjson.dumps(params)
        except TypeError:  # a lone surrogate: too rare to be kept
            return self._mapped(params)
        mapped = self._kept.pop(key, None)
        if mapped is None:
            mapped = self._mapped(params)
        if len(key) <= _LONGEST_KEPT:
            self._kept[key] = mapped  # at the end: the first one is that not used for longest
            if len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return cast("Json", copied(mapped))

    def _mapped(self, params: Json) -> Json:
        mapped: Json = self._config.map_openai_params(
            non_default_params=params, optional_params={}, model=self._model, drop_params=True
        )
        return mapped


class Answered:
    """As much of an `httpx.Response` as litellm's classes look at."""

    status_code = 200

    def __init__(self, answer: Json, headers: Mapping[str, str]) -> None:
        self._answer = answer
        self.headers = headers
        self.text = ""

    def json(self) -> Json:
        return self._answer


class Unlogged:
    """As much of litellm's logging object as its classes look at. It logs nothing."""

    def __init__(self, optional_params: Json) -> None:
        self.optional_params = optional_params

    def post_call(self, **_: Any) -> None:
        return None


def messages(body: Json) -> Iterator[Json]:
    """The messages of a body as sent, without what is none."""
    given = body.get("messages")
    return (message for message in (given if isinstance(given, list) else ()) if isinstance(message, dict))


def parts(body: Json) -> Iterator[Json]:
    """The parts of all messages whose content is a list."""
    for message in messages(body):
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict):
                yield part


def events_of(chunks: Chunks, chunk: Any) -> list[bytes]:
    """A `ModelResponseStream` of litellm's class as OpenAI events."""
    usage = getattr(chunk, "usage", None)
    if usage is not None:
        chunks.usage = usage.model_dump(exclude_none=True)
    events: list[bytes] = []
    for choice in chunk.choices:
        events += chunks.delta(choice.delta.model_dump(exclude_none=True), choice.index)
        if choice.finish_reason:
            chunks.finish[choice.index] = choice.finish_reason
    return events
