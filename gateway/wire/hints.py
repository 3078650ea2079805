"""What a caller says to the gateway itself, and which session a request belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import xxhash

from gateway.api import BadRequest, Caller, ChatRequest, Hints, Json, Tier
from gateway.wire.codec import dumps

_PREFIX = "thriftgate."
_HEADER = "x-thriftgate-"
_HEADER_LENGTH = len(_HEADER)
_NOTHING_SAID = Hints()
_ON = ("on", "true", "1", "yes")
_OFF = ("off", "false", "0", "no")
_SESSION_HEADERS = ("x-claude-code-session-id", "x-session-id")
_PLAIN = re.compile(r"[A-Za-z0-9._:@+=-]{1,128}")
_LONGEST_TASK_TYPE = 64


def read_hints(headers: Mapping[str, str], metadata: Any) -> Hints:
    """Hints of `x-thriftgate-*` headers, else of `metadata`'s `thriftgate.*` keys. Raises `BadRequest`."""
    said = metadata if isinstance(metadata, dict) else {}
    if not said and not any(name[:_HEADER_LENGTH].lower() == _HEADER for name in headers):
        session = _session_header(headers)
        return Hints(session=session) if session else _NOTHING_SAID
    return Hints(
        tier=_tier(*_look_up(headers, said, "tier")),
        task_type=_task_type(*_look_up(headers, said, "task-type")),
        session=_session(headers, said),
        route=_switch(*_look_up(headers, said, "route")),
        optimize=_switch(*_look_up(headers, said, "optimize")),
        cache=_switch(*_look_up(headers, said, "cache")),
        recall=_switch(*_look_up(headers, said, "recall")),
    )


def without_hints(body: Json) -> Json:
    """`body` without the metadata meant for the gateway alone: itself where there is none."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not any(key.startswith(_PREFIX) for key in metadata):
        return body
    kept = {key: value for key, value in metadata.items() if not key.startswith(_PREFIX)}
    return {key: kept if key == "metadata" else value for key, value in body.items() if kept or key != "metadata"}


def session_key(request: ChatRequest, caller: Caller) -> str:
    """The session a request belongs to, never shared by two callers.

    Told by header, `prompt_cache_key` or `metadata.session_id`, else a fingerprint of what does not change in a
    conversation: the system prompt, the tools and the first user turn.
    """
    told = _told(request)
    if told is None:
        key = _fingerprint(request)
    elif _PLAIN.fullmatch(told):
        key = told
    else:  # any length and any character may come; a key has neither, nor the slash that parts it from the caller
        key = xxhash.xxh3_128_hexdigest(told.encode("utf-8", "surrogatepass"))
    return f"{caller.name}/{key}"


def conversation_key(request: ChatRequest, session: str) -> str:
    """The conversation of `session` that a request belongs to. Clients make calls of several kinds under one session's
    name (titles, sub-agents), and the prompt cache of one says nothing about another's."""
    return session if _told(request) is None else f"{session}/{_fingerprint(request)}"


def _look_up(headers: Mapping[str, str], metadata: Json, name: str) -> tuple[Any, str]:
    """The value and where it stood. In metadata a hyphen may be an underscore."""
    header = _HEADER + name
    if header in headers:
        return headers[header], header
    for key in (_PREFIX + name, _PREFIX + name.replace("-", "_")):
        if key in metadata:
            return metadata[key], f"metadata.{key}"
    return None, header


def _tier(value: Any, place: str) -> Tier | None:
    if value is None or value == "":
        return None
    try:
        return Tier(value.strip().lower() if isinstance(value, str) else value)
    except ValueError as error:
        choices = ", ".join(tier.value for tier in Tier)
        raise BadRequest(
            f"Unknown tier in {place}: choose one of {choices}.", code="invalid_value", param=place
        ) from error


def _task_type(value: Any, place: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_TASK_TYPE:
        raise BadRequest(
            f"Invalid {place}: expected a string of at most {_LONGEST_TASK_TYPE} characters.",
            code="invalid_value",
            param=place,
        )
    return value.strip().lower() or None


def _switch(value: Any, place: str) -> bool:
    if value is None or value == "":
        return True
    word = str(value).strip().lower() if isinstance(value, str | bool | int) else ""
    if word in _OFF:
        return False
    if word in _ON:
        return True
    raise BadRequest(f"Invalid {place}: expected 'on' or 'off'.", code="invalid_value", param=place)


def _session(headers: Mapping[str, str], metadata: Json) -> str | None:
    value, _ = _look_up(headers, metadata, "session")
    if isinstance(value, str) and value.strip():
        return value.strip()
    return _session_header(headers)


def _session_header(headers: Mapping[str, str]) -> str | None:
    """What other programs call a session."""
    for name in _SESSION_HEADERS:
        value = headers.get(name, "").strip()
        if value:
            return value
    return None


def _told(request: ChatRequest) -> str | None:
    if request.hints.session:
        return request.hints.session
    body = request.body
    metadata = body.get("metadata")
    session = metadata.get("session_id") if isinstance(metadata, dict) else None
    told = (body.get("prompt_cache_key"), session)
    return next((value for value in told if isinstance(value, str) and value), None)


def _fingerprint(request: ChatRequest) -> str:
    """Texts only up to the first user turn: cache marks beside them wander from turn to turn."""
    digest = xxhash.xxh3_128(dumps(request.body.get("tools")))
    messages = request.body["messages"]
    first_user = next((at for at, message in enumerate(messages) if message["role"] == "user"), 0)
    for part in request.parts:
        if part.message > first_user:
            break
        digest.update(b"\0" + part.role.encode("utf-8", "surrogatepass"))
        digest.update(b"\0" + part.text.encode("utf-8", "surrogatepass"))
    content = messages[first_user].get("content")
    for item in content if isinstance(content, list) else ():
        if isinstance(item, dict) and item.get("type") != "text":
            digest.update(dumps({key: value for key, value in item.items() if key != "cache_control"}))
    return digest.hexdigest()
