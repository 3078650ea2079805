"""What a session's prompts cost under the rules by which providers bill a beginning they have read before.

- OpenAI: by itself, the longest beginning that it saw within the time to live, from 1,024 tokens on in steps of 128.
- Gemini: by itself, from 1,024 tokens on.
- DeepSeek: by itself, in units of 64 tokens.
- Anthropic: at breakpoints, where a beginning of 1,024 tokens and more is written at 1.25 of the input's price and read
  again while it lives. They stand behind the system prompt and behind the last message, unless the body names its own.
  A read looks back over at most 20 blocks from a breakpoint.

A hit is taken wherever the rules allow one, and a hit renews the time to live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.context.prompt import Prompt, shared
from gateway.money import Catalog

SMALLEST, STEP = 1_024, 128  # tokens, at OpenAI
LOOK_BACK = 20  # blocks
PROMPTS_KEPT = 6  # of a session: older ones are beginnings of newer ones


@dataclass(frozen=True)
class Charge:
    """Tokens of one request: all, those read from the cache, those written to it."""

    tokens: int
    read: int = 0
    written: int = 0


class Cache(Protocol):
    """A provider's memory of one session."""

    def turn(self, now: float, prompt: Prompt) -> Charge:
        """Charge a prompt sent at `now` (seconds)."""


class NoCache:
    def turn(self, now: float, prompt: Prompt) -> Charge:
        return Charge(prompt.size)


class ByItself:
    """Reads the longest known beginning of at least `smallest` tokens; beyond these it counts in whole steps."""

    def __init__(self, smallest: int, step: int, ttl: float) -> None:
        self._smallest, self._step, self._ttl = smallest, step, ttl
        self._seen: list[tuple[float, Prompt]] = []

    def turn(self, now: float, prompt: Prompt) -> Charge:
        self._seen = [(at, old) for at, old in self._seen if now - at <= self._ttl][-PROMPTS_KEPT:]
        known = [shared(old, prompt) for _, old in self._seen]
        longest = max(known, default=0)
        read = 0
        if longest >= self._smallest:
            read = self._smallest + (longest - self._smallest) // self._step * self._step
            place = known.index(longest)
            self._seen[place] = (now, self._seen[place][1])
        self._seen.append((now, prompt))
        return Charge(prompt.size, read)


class AtBreakpoints:
    """Reads the longest beginning that was written at a breakpoint, and writes what comes behind it. `as_marked`: there
    are no breakpoints but those that a body names."""

    def __init__(self, ttl: float, *, as_marked: bool = False) -> None:
        self._ttl = ttl
        self._as_marked = as_marked
        self._written: dict[tuple[int, int], float] = {}

    def turn(self, now: float, prompt: Prompt) -> Charge:
        beginnings = _beginnings(prompt)
        last = len(beginnings) - 1
        usual = set() if self._as_marked else {min(prompt.head - 1, last), last}
        breakpoints = sorted(set(prompt.marks) or usual)
        if not breakpoints:
            return Charge(prompt.size)
        read = 0
        for at in (back for point in reversed(breakpoints) for back in range(point, max(-1, point - LOOK_BACK), -1)):
            if now - self._written.get(beginnings[at], -self._ttl - 1 + now) <= self._ttl:
                read = beginnings[at][1]
                self._written[beginnings[at]] = now
                break
        end = beginnings[breakpoints[-1]][1]
        for point in breakpoints:
            if beginnings[point][1] >= SMALLEST:
                self._written[beginnings[point]] = now
        return Charge(prompt.size, read, max(0, end - read) if end >= SMALLEST else 0)


def _beginnings(prompt: Prompt) -> list[tuple[int, int]]:
    """For each segment what stands for the prompt up to its end, and the tokens of that."""
    found, key, size = list[tuple[int, int]](), 0, 0
    for segment in prompt.segments:
        key, size = hash((key, segment.tokens, segment.media)), size + segment.size
        found.append((key, size))
    return found


@dataclass(frozen=True)
class Provider:
    """How one provider bills. Prices of a token of input, read from the cache and written to it: in USD, or in units
    of the input's price."""

    name: str
    rule: str
    input: float
    read: float
    write: float
    ttl: float = 300.0

    @property
    def caches(self) -> bool:
        return self.rule != "uncached"

    def cache(self) -> Cache:
        """An empty cache under this provider's rules."""
        if self.rule == "anthropic":
            return AtBreakpoints(self.ttl)
        if self.rule == "as marked":
            return AtBreakpoints(self.ttl, as_marked=True)
        smallest, step = {"openai": (SMALLEST, STEP), "gemini": (SMALLEST, 1), "deepseek": (64, 64)}.get(
            self.rule, (0, 0)
        )
        return ByItself(smallest, step, self.ttl) if step else NoCache()

    def dollars(self, charge: Charge) -> float:
        plain = charge.tokens - charge.read - charge.written
        return plain * self.input + charge.read * self.read + charge.written * self.write


# Name, rule, model in litellm's price list, and what reading and writing costs in units of the input's price.
Model = tuple[str, str, str, float, float]
MODELS: tuple[Model, ...] = (
    ("OpenAI 0.1x", "openai", "gpt-5", 0.1, 1.0),
    ("OpenAI 0.5x", "openai", "gpt-4o", 0.5, 1.0),
    ("Anthropic", "anthropic", "claude-sonnet-4-5", 0.1, 1.25),
    ("Gemini", "gemini", "gemini/gemini-2.5-flash", 0.1, 1.0),
    ("DeepSeek", "deepseek", "deepseek/deepseek-chat", 0.1, 1.0),
    ("uncached", "uncached", "gpt-4o-mini", 1.0, 1.0),
)


AS_MARKED: tuple[Model, ...] = (
    ("Anthropic as marked", "as marked", "claude-sonnet-4-5", 0.1, 1.25),
    ("uncached", "uncached", "claude-sonnet-4-5", 1.0, 1.0),
)


def providers(
    ttl: float, models: Sequence[tuple[str, str, str, float, float]] = MODELS, *, units: bool = False
) -> tuple[Provider, ...]:
    """The providers compared, at the prices of litellm's list or in `units` of the input's price. Raises `KeyError`
    where the list lacks a model or its price."""
    if units:
        return tuple(Provider(name, rule, 1.0, read, write, ttl) for name, rule, _, read, write in models)
    entries, found = Catalog().entries, list[Provider]()
    for name, rule, model, read, write in models:
        price = entries[model]["input_cost_per_token"]
        reads = entries[model]["cache_read_input_token_cost"] if read < 1 else price
        writes = entries[model]["cache_creation_input_token_cost"] if write > 1 else price
        found.append(Provider(name, rule, price, reads, writes, ttl))
    return tuple(found)
