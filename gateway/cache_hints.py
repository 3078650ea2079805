"""Which prompts a provider is asked to cache. It is asked where that is expected to cost less, and only by the body of
the attempt in hand: the caller's own stays as it is, and so do those for other deployments.

Anthropic caches what a mark reaches; the first request pays a quarter more for what is written, each later one nine
tenths less for what is read. OpenAI caches by itself and takes a key by which requests of a session find the same
machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

from gateway import wire
from gateway.api import ChatRequest, Deployment, Json, Price

# Whose classes carry `cache_control` into what they send: tests/upstream/test_translated_contract.py holds it.
_TAKES_MARKS: Final = frozenset({"anthropic", "azure_ai", "bedrock", "vertex_ai"})
_READ, _WRITE = 0.1, 1.25  # of the input's price, where a price names none: Anthropic's
_KEY_BYTES = 8

_AGENT, _DIALOGUE, _SINGLE = 0.9, 0.5, 0.2


@dataclass(frozen=True, slots=True)
class CacheHints:
    """What is added for whom: marks for the deployments named in `marked`, and `key` for those that know it."""

    marked: frozenset[str] = frozenset()
    key: str | None = None

    def marks(self, deployment: Deployment) -> bool:
        return deployment.name in self.marked

    def added_to(self, body: Json, deployment: Deployment) -> Json:
        """`body` for an attempt at `deployment`."""
        if self.marks(deployment):
            return wire.with_cache_marks(body)
        if self.key is not None and _knows_key(deployment):
            return wire.with_cache_key(body, self.key)
        return body


NO_HINTS = CacheHints()


def cache_hints(
    request: ChatRequest, session: str, deployments: Iterable[Deployment], *, marked: bool, seen: bool
) -> CacheHints:
    """Hints for a request that may go to `deployments`. `marked`: the caller marks the body, which is left at that.
    `seen`: the conversation had a request before."""
    chance = chance_of_next(request, seen=seen)
    names = () if marked else (one.name for one in deployments if _takes_marks(one) and marks_pay(one.price, chance))
    key = blake2b(session.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).hexdigest()
    return CacheHints(frozenset(names), key)


def chance_of_next(request: ChatRequest, *, seen: bool) -> float:
    """How likely another request of the conversation follows while its cache is warm: an agent's nearly always, a
    person's now and then, and one that stands alone rarely. (In recorded sessions 0.90 and 0.80 follow, whatever the
    time between; people pause. Nobody records requests that stand alone.)"""
    body = request.body
    if body.get("tools") or body.get("functions") or any(part.kind != "text" for part in request.parts):
        return _AGENT
    if seen or any(message["role"] == "assistant" for message in body["messages"]):
        return _DIALOGUE
    return _SINGLE


def turns_left(request: ChatRequest, *, seen: bool) -> int:
    """How many requests the conversation likely has from here on, this one included: where each is followed with the
    same chance that is 1 / (1 - chance), so 10 of an agent, 2 of a dialogue, 1 of what stands alone."""
    return round(1 / (1 - chance_of_next(request, seen=seen)))


def marks_pay(price: Price | None, chance: float) -> bool:
    """Whether marking is expected to cost less: what a write costs above plain input, against what the read saves that
    follows with `chance`. At Anthropic's prices that is so from 0.28 on, for a prompt of any length: below the least
    that a provider caches a mark neither costs nor does anything."""
    if price is None:
        return chance * (1 - _READ) > _WRITE - 1
    read = price.input * _READ if price.cache_read is None else price.cache_read
    write = price.input * _WRITE if price.cache_write is None else price.cache_write
    return chance * (price.input - read) > write - price.input


def _takes_marks(deployment: Deployment) -> bool:
    """Claude models; beside Anthropic's own only where the model is known to have a price for reading its cache:
    older ones refuse what they do not know."""
    if deployment.provider not in _TAKES_MARKS or "claude" not in deployment.model:
        return False
    return deployment.provider == "anthropic" or (
        deployment.price is not None and deployment.price.cache_read is not None
    )


def _knows_key(deployment: Deployment) -> bool:
    """OpenAI itself. Others that speak its wire may refuse a field they do not know, and so does Azure where it serves
    models of other makers."""
    if deployment.provider != "openai":
        return False
    host = urlsplit(deployment.api_base).hostname if deployment.api_base else "api.openai.com"
    return host is not None and (host == "openai.com" or host.endswith(".openai.com"))
