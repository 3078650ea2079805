"""What a session's prompts cost in units of the input price, under the three ways providers bill repeated beginnings.

Each turn follows the one before it within the five minutes that a cached beginning lives. A hit is taken where the
rules allow one: OpenAI reads the longest beginning of the last prompt in steps of 128 tokens from 1,024 on at a tenth;
Anthropic reads the last prompt at a tenth if this one begins with all of it, and writes the rest at 1.25.
"""

from __future__ import annotations

from dataclasses import dataclass, field

READ, WRITE = 0.1, 1.25
SMALLEST, STEP = 1_024, 128


@dataclass
class Bill:
    """The costs of one way to send a session: call `turn` for each of its prompts, in order."""

    openai: float = 0.0
    anthropic: float = 0.0
    uncached: float = 0.0
    tokens: int = 0
    shared: int = 0
    repeatable: int = 0
    _before: list[tuple[str, int]] = field(default_factory=list)

    def turn(self, prompt: list[tuple[str, int]]) -> None:
        """`prompt` holds each segment with its tokens."""
        total = sum(tokens for _, tokens in prompt)
        last = sum(tokens for _, tokens in self._before)
        same = 0
        for (text, tokens), (old, _) in zip(prompt, self._before, strict=False):
            if text != old:
                break
            same += tokens
        self.tokens += total
        self.shared += same
        self.repeatable += last
        self.uncached += total
        read = SMALLEST + (same - SMALLEST) // STEP * STEP if same >= SMALLEST else 0
        self.openai += total - read * (1 - READ)
        read = last if same == last >= SMALLEST else 0
        self.anthropic += READ * read + (total - read) * (WRITE if total >= SMALLEST else 1)
        self._before = prompt
