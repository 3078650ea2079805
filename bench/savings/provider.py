"""An upstream's prompt cache, by the rules of its maker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.savings.sessions import answer_text
from gateway.upstream.scripted_dialects import Counts, Reply
from gateway_reduce.tokens import Tokens

SECONDS_KEPT = {"claude": 300.0, "gpt": 600.0, "gemini": 300.0, "deepseek": 3_600.0, "grok": 300.0}
"""What the providers say: five minutes, five to ten, some minutes, hours."""
FIRST = {"opus": 4_096, "2.5-pro": 2_048, "deepseek": 64}  # tokens; 1,024 for the others
STEP = {"gpt": 128, "deepseek": 64}

_tokens = Tokens()


class Provider:
    """Counts each prompt's tokens and keeps its beginning, as long and in such steps as the model's maker does.

    `unnamed` is the model of a body that names none: Gemini's stands in the address.
    """

    def __init__(self, clock: Callable[[], float], unnamed: str) -> None:
        self._clock = clock
        self._unnamed = unnamed
        self._kept: dict[str, list[tuple[float, list[str]]]] = {}

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        segments, marks, hour = _segments(body)
        model = str(body.get("model") or self._unnamed)
        maker = next(maker for maker in SECONDS_KEPT if maker in model)
        prompt = sum(map(_tokens.count, segments))
        if maker == "claude":
            cached, written = self._on_request(model, segments, marks, hour)
        else:
            cached, written = self._by_itself(model, maker, segments), 0
        answer = answer_text(len(segments))
        kept = written if hour else 0
        return Reply(text=answer, usage=Counts(prompt, _tokens.count(answer), cached, written, cache_write_1h=kept))

    def _by_itself(self, model: str, maker: str, segments: list[str]) -> int:
        now, kept = self._clock(), self._kept.setdefault(model, [])
        shared = max(
            (_shared(segments, old) for at, old in kept if now - at < SECONDS_KEPT[maker]),
            default=0,
        )
        kept.append((now, segments))
        step = STEP.get(maker, 1)
        return shared // step * step if shared >= _first(model) else 0

    def _on_request(self, model: str, segments: list[str], marks: list[int], hour: bool) -> tuple[int, int]:
        now, kept = self._clock(), self._kept.setdefault(model, [])
        seconds = 3_600.0 if hour else SECONDS_KEPT["claude"]
        read = max((len(old) for at, old in kept if now - at < seconds and segments[: len(old)] == old), default=0)
        last = max(marks, default=0)
        sizes = [*map(_tokens.count, segments)]
        if sum(sizes[:last]) < _first(model):
            return 0, 0
        kept.extend((now, segments[:mark]) for mark in {*marks, read} if mark)
        return sum(sizes[:read]), sum(sizes[read:last])


def _first(model: str) -> int:
    return next((tokens for name, tokens in FIRST.items() if name in model), 1_024)


def _segments(body: Mapping[str, Any]) -> tuple[list[str], list[int], bool]:
    """What the model reads, piece by piece, behind which pieces it shall be cached, and whether for an hour."""
    segments: list[str] = [json.dumps(body["tools"])] if body.get("tools") else []
    marks: list[int] = []
    hour = False
    system = body.get("system") or body.get("system_instruction") or []
    pieces = [*(system if isinstance(system, list) else [system])]
    for message in body.get("messages") or body.get("contents") or ():
        content = message.get("content") or message.get("parts")
        beside = {name: value for name, value in message.items() if name not in ("content", "parts")}
        inside = content if isinstance(content, list) else [{"text": content}]
        pieces += [piece | {"beside": beside} for piece in inside]
    for piece in pieces:
        segments.append("\n".join(_texts(piece)))
        if '"cache_control"' in (told := json.dumps(piece)):
            marks.append(len(segments))
            hour = hour or '"1h"' in told
    return segments, marks, hour


def _texts(piece: Any) -> Iterator[str]:
    if isinstance(piece, str):
        yield piece
    elif isinstance(piece, list):
        for inside in piece:
            yield from _texts(inside)
    elif isinstance(piece, dict):
        for name, inside in piece.items():
            if name not in ("type", "cache_control"):
                yield from _texts(inside)


def _shared(new: list[str], old: list[str]) -> int:
    """Tokens of the common beginning."""
    same = 0
    for mine, theirs in zip(new, old, strict=False):
        if mine != theirs:
            length = next((at for at, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), len(theirs))
            return same + _tokens.count(mine[:length])
        same += _tokens.count(mine)
    return same
