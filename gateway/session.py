"""What is remembered of a conversation between its requests: the model that holds its prompt cache, and how its text
turns into tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson
from pydantic import TypeAdapter

from gateway import wire
from gateway.api import ChatRequest, Sizes, State, Tier, Warmth

log = logging.getLogger("thriftgate.session")

_TTL = 86_400.0  # seconds; as long as any provider keeps a prompt
CHARS_PER_TOKEN = 3.8
"""Before the first measured answer: the mean of o200k over agent traffic."""
_TOKENS_PER_MEDIA = 800  # a mid-sized picture; providers differ between 85 and 1,600
_EXPECTED_OUTPUT = 400  # tokens of a typical agent turn, before the session has shown its own
_NEWEST_WEIGHT = 0.3  # how much the newest answer's length counts in the expected one
_TELLING_CHARS = 2000
_LEAST_RATE, _LARGEST_RATE = 0.1, 1.5  # tokens per character of any text in any vocabulary
_KEPT = {"openai": 600.0, "azure": 600.0, "deepseek": 7_200.0, "groq": 7_200.0}  # seconds a prompt is cached at most
_KEPT_ELSEWHERE = 300.0
_SURELY_WARM = 240.0  # seconds within which every provider still has a prompt
_HIGH_SHARE, _LOW_SHARE = 0.7, 0.5  # of what could be read from the cache
_MISSES = 2  # in a row: one may be the provider's own doing
_TELLING_TOKENS = 2_048  # twice the shortest prompt that most providers cache
_READ_BESIDE = ("tools", "functions", "response_format", "prediction")


@dataclass(frozen=True, slots=True)
class SessionState:
    """`messages` is how many the previous request had, `chars` its `prompt_chars`; token counts are those of the
    previous request. `cold_at` is how many messages there were when the prompt was last cold.

    `cached_share` is the largest share of what could be cached that the provider reported as read from its cache,
    `misses` how many of the latest requests fell short of that, and `untrimmed` that they were too many.
    """

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
    cold_at: int = 0
    cached_share: float = 0.0
    misses: int = 0
    untrimmed: bool = False

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

    def cold_point(self, messages: int, now: float, kept: float) -> int:
        """How many of the conversation's messages, of which there are `messages` now, were there when its prompt was
        last cold: all of them where it was never seen, not for the `kept` seconds of the provider's cache, or was cut
        short by its owner."""
        if self.deployment is None or now - self.at >= kept or messages < self.cold_at:
            return messages
        return self.cold_at

    def continued_by(self, request: ChatRequest, chars: int) -> bool:
        """Whether a request begins with all that the previous one said, as far as lengths can tell. `chars` are its
        `prompt_chars`."""
        return request.messages >= self.messages and chars_up_to(request, chars, self.messages - 1) == self.chars

    def watched(self, cached: int, expected: int, *, trimmed: bool) -> SessionState:
        """What the provider's report for a warm request, whose prompt began as the previous one, says of its cache:
        `cached` tokens were read from there, `expected` could have been. One that never shows a high share proves
        nothing by a low one."""
        if expected < _TELLING_TOKENS:
            return self
        share = cached / expected
        if share >= _LOW_SHARE:
            return replace(self, cached_share=max(share, self.cached_share), misses=0)
        if not trimmed or self.cached_share < _HIGH_SHARE:
            return self
        misses = self.misses + 1
        return replace(self, misses=misses, untrimmed=self.untrimmed or misses >= _MISSES)

    def surely_warm(self, deployment: str, now: float) -> bool:
        """Whether the deployment certainly still has the previous prompt at `now`."""
        return self.deployment == deployment and now - self.at < _SURELY_WARM

    def smoothed_output(self, tokens: int) -> float:
        """The expected output after one more answer of `tokens`."""
        if self.output_tokens is None:
            return float(tokens)
        return (1 - _NEWEST_WEIGHT) * self.output_tokens + _NEWEST_WEIGHT * tokens


def kept_seconds(model: str | None, marks: wire.CacheMarks | None) -> float:
    """How long the provider of `model` keeps a prompt at most: after that it is cold."""
    provider = (model or "").partition("/")[0]
    return max(_KEPT.get(provider, _KEPT_ELSEWHERE), marks.seconds if marks else 0.0)


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


_WRITTEN = TypeAdapter(SessionState)


class Sessions:
    """Session states behind the state port."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock

    async def get(self, key: str) -> SessionState:
        raw = await self._state.get(f"session:{key}")
        if raw is None:
            return SessionState()
        try:
            session = _WRITTEN.validate_json(raw)
            if session.tier is not None:
                Tier(session.tier)
        except ValueError as error:  # replicas of another version, or strangers, may write to a shared store
            log.warning("what is remembered of session %s cannot be read, so it counts as unknown: %s", key, error)
            return SessionState()
        return session

    async def remember(self, key: str, session: SessionState) -> None:
        await self._state.set(f"session:{key}", orjson.dumps(session), _TTL)
