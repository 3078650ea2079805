"""Google AI Studio's `generateContent`, shaped and read by litellm's class."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from gateway.api import Deployment, Json
from gateway.upstream.address import address
from gateway.upstream.chunks import Chunks
from gateway.upstream.faults import broken
from gateway.upstream.plain import plain_answer
from gateway.upstream.providers import provider_class
from gateway.upstream.shaping import (
    Answered,
    FieldMap,
    Preparation,
    Shaped,
    Unlogged,
    events_of,
    messages,
    parts,
)


class Gemini:
    """The wire of one deployment."""

    def __init__(self, litellm: ModuleType, deployment: Deployment) -> None:
        from litellm.llms.vertex_ai.common_utils import get_gemini_url  # noqa: PLC0415  # loaded by now
        from litellm.llms.vertex_ai.gemini import transformation  # noqa: PLC0415  # loaded by now
        from litellm.llms.vertex_ai.gemini import vertex_and_google_ai_studio_gemini as wire  # noqa: PLC0415  # same

        self._model = deployment.upstream_model
        self._to = {}
        for stream in (False, True):
            url, verb = get_gemini_url(mode="chat", model=self._model, stream=stream)
            if deployment.api_base is not None:
                url = f"{deployment.api_base.rstrip('/')}/models/{self._model}:{verb}{'?alt=sse' if stream else ''}"
            self._to[stream] = address(url, {"x-goog-api-key": deployment.api_key} if deployment.api_key else {})
        self._config = provider_class(litellm, "gemini", self._model)
        self._prepare = Preparation(self._config, deployment)
        self._map = FieldMap(self._config, deployment.upstream_model)
        self._answer = litellm.ModelResponse
        self._events = wire.ModelResponseIterator
        self._transform = transformation.transform_request_body

    def fits(self, body: Json) -> bool:
        """Not where `acompletion` makes calls of its own first: for `cache_control` it keeps a cached content at
        Google's."""
        return not any("cache_control" in item for item in (*messages(body), *parts(body)))

    def shape(self, body: Json, *, stream: bool) -> Shaped:
        given = self._prepare(body)
        params = self._map(given.params) | given.own
        sent: Json = self._transform(
            messages=given.messages,
            model=self._model,
            optional_params=params,
            custom_llm_provider="gemini",
            litellm_params={},
            cached_content=None,
        )
        return Shaped(self._to[stream], {}, sent, _Reading(self, given.messages, params))

    def read(self, reading: _Reading, answer: Json, headers: Mapping[str, str]) -> Json:
        read = self._config.transform_response(
            model=self._model,
            raw_response=Answered(answer, headers),
            model_response=self._answer(),
            logging_obj=Unlogged(reading.params),
            request_data={},
            messages=reading.messages,
            optional_params=reading.params,
            litellm_params={},
            encoding=None,
        )
        return plain_answer(read)

    def parser(self, reading: _Reading) -> Any:
        return self._events(streaming_response=None, sync_stream=False, logging_obj=Unlogged(reading.params))

    @property
    def model(self) -> str:
        return self._model


class _Reading:
    """How one answer is read."""

    stops = False  # nothing marks the end of the stream but its end

    def __init__(self, wire: Gemini, messages: list[Json], params: Json) -> None:
        self._wire = wire
        self.messages = messages
        self.params = params
        self._chunks = Chunks(wire.model)
        self._parser: Any = None
        self._finished = False
        self._usage: Json | None = None

    def whole(self, answer: Json, headers: Mapping[str, str]) -> Json:
        if not isinstance(answer.get("candidates"), list) and not isinstance(answer.get("promptFeedback"), dict):
            raise broken("protocol", "the upstream answered 200 with JSON that is not generated content")
        # The class does not read an answer without usage; an empty one comes out as unknown.
        return self._wire.read(self, {"usageMetadata": {}, **answer}, headers)

    def event(self, event: Json) -> list[bytes]:
        if self._parser is None:
            self._parser = self._wire.parser(self)
            self._chunks.id = event.get("responseId")
            self._chunks.model = event.get("modelVersion") or self._chunks.model
        text = _text_alone(event)
        if text is not None:
            # Nearly every event. The parser keeps nothing of it and would take five times as long.
            self._usage = event.get("usageMetadata")
            return self._chunks.text(text)
        self._finished = self._finished or _says_finished(event)
        return events_of(self._chunks, self._parser.chunk_parser(event))

    def ending(self) -> list[bytes] | None:
        if not self._finished:
            return None
        if self._chunks.usage is None and self._usage is not None:  # it came with a text, and not with the end
            events_of(self._chunks, self._parser.chunk_parser({"usageMetadata": self._usage}))
        return self._chunks.ending()


_BESIDE_TEXT = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "createTime"})


def _text_alone(event: Json) -> str | None:
    """The text of an event that brings nothing else of the first and only candidate; `None` for any other event."""
    if not event.keys() <= _BESIDE_TEXT:
        return None
    match event.get("candidates"):
        case [{"content": {"parts": [{"text": str(text), **beside}]}, **around}] if not beside:
            return text if around.keys() <= {"index"} and not around.get("index") else None
    return None


def _says_finished(event: Json) -> bool:
    """The class calls every chunk finished, so the upstream's own word is needed: a reason, or a blocked prompt."""
    if "blockReason" in (event.get("promptFeedback") or ()):
        return True
    return any(candidate.get("finishReason") for candidate in event.get("candidates") or ())
