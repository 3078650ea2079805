"""What is remembered of a conversation between its requests: the model that holds its prompt cache, and how its text
turns into tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from gateway import wire
from gateway.api import ChatRequest, Sizes, State, Tier, Warmth

_TTL = 3600.0  # seconds; far beyond any provider's prompt cache
CHARS_PER_TOKEN = 3.8
"""Before the first measured answer: the mean of o200k over agent traffic."""
_TOKENS_PER_MEDIA = 800  # a mid-sized picture; providers differ between 85 and 1,600
_EXPECTED_OUTPUT = 400  # tokens of a typical agent turn, before the session has shown its own
_NEWEST_WEIGHT = 0.3  # how much the newest answer's length counts in the expected one
_TELLING_CHARS = 2000
_LEAST_RATE, _LARGEST_RATE = 0.1, 1.5  # tokens per character of any text in any vocabulary
_READ_BESIDE = ("tools", "functions", "response_format", "prediction")


@dataclass(frozen=True, slots=True)
class SessionState:
    """`messages` is how many the previous request had, `chars` its `prompt_chars`; token counts are those of the
    previous request."""

    deployment: str | None = None
    model: str | None = None
    tier: str | None = None
    at: float = 0.0
    messages: int = 0
    chars: int = 0
    sent_tokens: int = 0
    original_tokens: int = 0
    tokens_per_char: float | None = None
    output_tokens: float | None = None

    def warmth(self, now: float) -> Warmth:
        """What the upstream likely still has cached at `now` (Unix time in seconds)."""
        if self.deployment is None:
            return Warmth()
        return Warmth(
            deployment=self.deployment,
            model=self.model,
            age=max(0.0, now - self.at),
            sent_tokens=self.sent_tokens,
            original_tokens=self.original_tokens,
            tier=Tier(self.tier) if self.tier else None,
        )

    def sizes(self, request: ChatRequest, chars: int, removed_tokens: int = 0, removed_chars: int = 0) -> Sizes:
        """Estimated tokens of a request: those of its `prompt_chars` that are left, at the rate this session's last
        answer measured, and what was removed beside them: noise has other rates than what is left."""
        trimmed = round((chars - removed_chars) * (self.tokens_per_char or 1 / CHARS_PER_TOKEN)) + (
            _TOKENS_PER_MEDIA * wire.media_count(request.body)
        )
        expected = self.output_tokens or _EXPECTED_OUTPUT
        limit = max_output(request)
        return Sizes(
            original=trimmed + removed_tokens,
            trimmed=max(1, trimmed),
            output=round(min(expected, limit) if limit is not None else expected),
        )

    def smoothed_output(self, tokens: int) -> float:
        """The expected output after one more answer of `tokens`."""
        if self.output_tokens is None:
            return float(tokens)
        return (1 - _NEWEST_WEIGHT) * self.output_tokens + _NEWEST_WEIGHT * tokens


def max_output(request: ChatRequest) -> int | None:
    """The caller's own limit on the answer, in tokens: of two the larger, since which of them holds is the upstream's
    choice."""
    limits = [request.body.get(key) for key in ("max_completion_tokens", "max_tokens")]
    return max((limit for limit in limits if type(limit) is int and limit > 0), default=None)


def prompt_chars(request: ChatRequest) -> int:
    """Characters, as bytes of UTF-8, of all that a model reads: the conversation's texts, the tools and the like,
    without media."""
    body = request.body
    return sum(wire.length(part.text) for part in request.parts) + sum(
        len(wire.dumps(body[key])) for key in _READ_BESIDE if body.get(key)
    )


def chars_up_to(request: ChatRequest, chars: int, last: int) -> int:
    """Of a request's `prompt_chars` those up to and with message `last`; tools and the like come before any message."""
    return chars - sum(wire.length(part.text) for part in request.parts if part.message > last)


def rate_of(tokens: int, chars: int) -> float | None:
    """Tokens per character as an answer measured it; `None` where the prompt was too short to tell: a chat template's
    own tokens would count as the text's."""
    if chars < _TELLING_CHARS:
        return None
    return min(max(tokens / chars, _LEAST_RATE), _LARGEST_RATE)


class Sessions:
    """Session states behind the state port."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock

    async def get(self, key: str) -> SessionState:
        raw = await self._state.get(f"session:{key}")
        return SessionState(**orjson.loads(raw)) if raw is not None else SessionState()

    async def remember(self, key: str, session: SessionState) -> None:
        await self._state.set(f"session:{key}", orjson.dumps(session), _TTL)
