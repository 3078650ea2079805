"""What a body is expected to cost from here to the end of its conversation. Two bodies of one conversation differ in
their length and in how much of them the provider has cached; what is added from turn to turn, and all answers, they
have in common."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.api import Price

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Course:
    """A body and what comes behind it: `prompt` tokens now, of which the first `cached` are in the provider's cache;
    each later request has `growth` tokens more than the one before it. Where the body's marks stay where they are, only
    the first `reach` tokens are ever cached."""

    prompt: int
    cached: int
    growth: int
    reach: int | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    """What a provider's cache costs, in USD per million tokens. It keeps nothing of a prompt shorter than `minimum`."""

    input: float
    read: float
    write: float
    minimum: int

    @classmethod
    def of(cls, price: Price, *, caches: bool, minimum: int) -> Cache:
        """That of a price; `caches`: whether it keeps the prompt at all."""
        read = price.cache_read if caches and price.cache_read is not None else price.input
        write = price.cache_write if caches and price.cache_write is not None else price.input
        return cls(price.input, read, write, minimum)


def bill(course: Course, cache: Cache, turns: int) -> float:
    """USD for the prompts of this request and of those that follow, `turns` in all. Each reads from the cache what the
    one before it left there, and writes the rest."""
    dollars, cached = 0.0, course.cached
    for turn in range(turns):
        prompt = course.prompt + turn * course.growth
        kept = prompt if course.reach is None else min(prompt, course.reach)
        if kept < cache.minimum:
            kept = 0
        read = min(cached, kept)
        dollars += read * cache.read + (kept - read) * cache.write + (prompt - kept) * cache.input
        cached = kept
    return dollars / _MILLION


def dearer(trimmed: Course, original: Course, cache: Cache | None, turns: int) -> bool:
    """Whether the trimmed body is expected to cost more than the original one. Without a price their
    lengths are compared."""
    if cache is None:
        return trimmed.prompt > original.prompt
    return bill(trimmed, cache, turns) > bill(original, cache, turns)
