"""Anthropic's Messages API, shaped and read by litellm's class."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from gateway.api import Deployment, Json
from gateway.upstream.address import address
from gateway.upstream.chunks import Chunks
from gateway.upstream.faults import broken
from gateway.upstream.plain import plain_answer
from gateway.upstream.providers import BASES, provider_class
from gateway.upstream.shaping import Answered, FieldMap, Preparation, Shaped, Unlogged, events_of

_PATH = "/v1/messages"


class Anthropic:
    """The wire of one deployment."""

    def __init__(self, litellm: ModuleType, deployment: Deployment) -> None:
        from litellm import anthropic_beta_headers_manager as betas  # noqa: PLC0415  # loaded by now
        from litellm.llms.anthropic.chat import handler, transformation  # noqa: PLC0415  # loaded by now

        base = (deployment.api_base or BASES["anthropic"]).rstrip("/")
        self._to = address(base if base.endswith(_PATH) else base + _PATH, {})
        self._config = provider_class(litellm, "anthropic", deployment.upstream_model)
        self._prepare = Preparation(self._config, deployment)
        self._map = FieldMap(self._config, deployment.upstream_model)
        self._model = deployment.upstream_model
        self._key = deployment.api_key
        self._max_output = deployment.max_output
        self._answer = litellm.ModelResponse
        self._events = handler.ModelResponseIterator
        self._filter_betas = betas.update_request_with_filtered_beta
        self._names_key: str = transformation.ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY

    def fits(self, _body: Json) -> bool:
        """Anthropic keeps what it caches by itself, so the class needs nothing around it."""
        return True

    def shape(self, body: Json, *, stream: bool) -> Shaped:
        given = self._prepare(body)
        params = self._map(given.params) | given.own
        json_mode = params.pop("json_mode", False)
        if self._max_output is not None:
            # Anthropic demands a limit. litellm has one of its own, too short for models it does not know, and the
            # budget reserves for the deployment's.
            params.setdefault("max_tokens", self._max_output)
        inside: Json = {"drop_params": True, "metadata": _user_of(body)}
        headers: dict[str, str] = self._config.validate_environment(
            headers={},
            model=self._model,
            messages=given.messages,
            optional_params=params,
            litellm_params=inside,
            api_key=self._key or "none",
            api_base=None,
        )
        sent: Json = self._config.transform_request(
            model=self._model,
            messages=given.messages,
            optional_params={**params, "is_vertex_request": False},
            litellm_params=inside,
            headers=headers,
        )
        headers, sent = self._filter_betas(headers=headers, request_data=sent, provider="anthropic")
        if self._key is None:
            headers = {name: value for name, value in headers.items() if name.lower() != "x-api-key"}
        if stream:
            sent["stream"] = True
        reading = _Reading(self, given.messages, params, inside, json_mode=json_mode)
        return Shaped(self._to, headers, sent, reading)

    def read(self, reading: _Reading, answer: Json, headers: Mapping[str, str]) -> Json:
        read = self._config.transform_response(
            model=self._model,
            raw_response=Answered(answer, headers),
            model_response=self._answer(),
            logging_obj=Unlogged(reading.params),
            request_data={},
            messages=reading.messages,
            optional_params=reading.params,
            litellm_params=reading.inside,
            encoding=None,
            json_mode=reading.json_mode,
        )
        plain = plain_answer(read)
        return {**plain, "id": answer.get("id") or plain["id"]}

    def parser(self, reading: _Reading) -> Any:
        return self._events(
            streaming_response=None,
            sync_stream=False,
            json_mode=reading.json_mode,
            speed=reading.params.get("speed"),
            tool_name_reverse_map=reading.inside.get(self._names_key),
        )

    @property
    def model(self) -> str:
        return self._model


class _Reading:
    """How one answer is read: it depends on what was asked (a schema as a tool, renamed tools, a prefix)."""

    def __init__(self, wire: Anthropic, messages: list[Json], params: Json, inside: Json, *, json_mode: bool) -> None:
        self._wire = wire
        self.messages = messages
        self.params = params
        self.inside = inside
        self.json_mode = json_mode
        self.stops = False
        self._chunks = Chunks(wire.model)
        self._parser: Any = None

    def whole(self, answer: Json, headers: Mapping[str, str]) -> Json:
        if not isinstance(answer.get("content"), list) or not isinstance(answer.get("usage"), dict):
            raise broken("protocol", "the upstream answered 200 with JSON that is not a message")
        return self._wire.read(self, answer, headers)

    def event(self, event: Json) -> list[bytes]:
        kind = event.get("type")
        if kind == "content_block_delta" and event["delta"].get("type") == "text_delta":
            # Nearly every event. The parser keeps nothing of a text and would take forty times as long.
            return self._chunks.text(event["delta"]["text"])
        if kind == "message_stop":
            self.stops = True
            return []
        if kind == "ping":
            return []
        if self._parser is None:
            self._parser = self._wire.parser(self)
        if kind == "message_start":
            self._chunks.id = event["message"].get("id")
            self._chunks.model = event["message"].get("model") or self._chunks.model
        return events_of(self._chunks, self._parser.chunk_parser(event))

    def ending(self) -> list[bytes] | None:
        return self._chunks.ending() if self.stops and self._chunks.finish else None


def _user_of(body: Json) -> Json:
    """All that the class takes from `metadata`."""
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return {"user_id": user} if isinstance(user, str) else {}
