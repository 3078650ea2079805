"""What is simulated: the scenarios, and the messages of an agent's session."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MODELS = {
    "gpt-5": "openai/gpt-5",
    "gpt-5-mini": "openai/gpt-5-mini",
    "gpt-5.6": "openai/gpt-5.6",
    "opus": "anthropic/claude-opus-4-5",
    "sonnet": "anthropic/claude-sonnet-4-5",
    "gemini-pro": "gemini/gemini-2.5-pro",
    "gemini-flash": "gemini/gemini-2.5-flash",
    "deepseek": "deepseek/deepseek-chat",
    "grok": "xai/grok-4.3",
}
PATIENCE = 20.0  # seconds between two turns


@dataclass(frozen=True)
class Scenario:
    """`tiers` says for a turn where it goes: `strong` is the model asked for, `weak` is `cheap`. `marks` (Claude) are
    on the system prompt, or on the newest message as well, for an `hour` or five minutes. `pauses` are seconds before
    a turn. `beside`: the session makes small calls of another kind in between, as clients do for titles."""

    name: str
    asked: str
    cheap: str
    tiers: Callable[[int], str] = lambda _: "strong"
    optimize: Callable[[int], bool] = lambda _: True
    marks: str = "none"
    hour: bool = False
    pauses: Mapping[int, float] = field(default_factory=dict)
    words: int = 900
    system: int = 1_500
    sessions: int = 1
    beside: bool = False


def always(what: Any) -> Callable[[int], Any]:
    return lambda _: what


WEAK = always("weak")
UNTRIMMED = always(False)
LATER = {10: 600.0}
SOON = {10: 420.0}
THERE_AND_BACK = lambda turn: "weak" if 7 <= turn < 14 else "strong"  # noqa: E731  # a table reads better

SCENARIOS = (
    Scenario("same model, trimmed", "gpt-5", "gpt-5-mini"),
    Scenario("cheaper model", "gpt-5", "gpt-5-mini", WEAK, UNTRIMMED),
    Scenario("cheaper model, trimmed", "gpt-5", "gpt-5-mini", WEAK),
    Scenario("  pause of 7 minutes", "gpt-5", "gpt-5-mini", WEAK, pauses=SOON),
    Scenario("  pause of 10 minutes", "gpt-5", "gpt-5-mini", WEAK, pauses=LATER),
    Scenario("  down at the 10th turn", "gpt-5", "gpt-5-mini", lambda turn: "weak" if turn >= 10 else "strong"),
    Scenario("  down and up again", "gpt-5", "gpt-5-mini", THERE_AND_BACK),
    Scenario("  trimmed from the 10th turn", "gpt-5", "gpt-5-mini", optimize=lambda turn: turn >= 10),
    Scenario("  trimmed until the 10th", "gpt-5", "gpt-5-mini", optimize=lambda turn: turn < 10),
    Scenario("  prompts under 1,024", "gpt-5", "gpt-5-mini", WEAK, words=8, system=100),
    Scenario("  same system prompt, 4 sessions", "gpt-5", "gpt-5-mini", WEAK, sessions=4, system=12_000),
    Scenario("  small calls between, same model", "gpt-5", "gpt-5-mini", beside=True),
    Scenario("  small calls between, cheaper", "gpt-5", "gpt-5-mini", WEAK, beside=True),
    Scenario("Claude unmarked, same model", "opus", "sonnet"),
    Scenario("Claude unmarked, cheaper", "opus", "sonnet", WEAK),
    Scenario("Claude marked, same model", "opus", "sonnet", marks="all"),
    Scenario("Claude marked, cheaper", "opus", "sonnet", WEAK, marks="all"),
    Scenario("  pause of 10 minutes", "opus", "sonnet", WEAK, marks="all", pauses=LATER),
    Scenario("  kept an hour, the same pause", "opus", "sonnet", WEAK, marks="all", hour=True, pauses=LATER),
    Scenario("  down and up again", "opus", "sonnet", THERE_AND_BACK, marks="all"),
    Scenario("  system prompt marked, cheaper", "opus", "sonnet", WEAK, marks="system", system=6_000),
    Scenario("Claude marked, to OpenAI", "opus", "gpt-5-mini", WEAK, marks="all"),
    Scenario("  system prompt marked", "opus", "gpt-5-mini", WEAK, marks="system", system=6_000),
    Scenario("Claude unmarked, to OpenAI", "opus", "gpt-5-mini", WEAK),
    Scenario("OpenAI, to Claude", "gpt-5.6", "sonnet", WEAK),
    Scenario("Gemini, same model", "gemini-pro", "gemini-flash"),
    Scenario("Gemini, cheaper", "gemini-pro", "gemini-flash", WEAK),
    Scenario("DeepSeek, after 10 minutes", "deepseek", "gpt-5-mini", pauses=LATER),
    Scenario("Grok to DeepSeek", "grok", "deepseek", WEAK),
)


_WORDS = (
    *("build", "test", "module", "caller", "limit", "order", "branch", "case", "release"),
    *("file", "path", "answer", "field", "value", "error", "retry"),
)
TOOLS = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object", "properties": {}}}}]


def answer_text(seed: int) -> str:
    return " ".join(random.Random(seed).choices(_WORDS, k=150))


def turns(scenario: Scenario, count: int, session: int) -> Iterator[list[Json]]:
    """The messages of each request: an agent that reads files, logs and records, and says what it does next."""
    draw = random.Random(session)
    system = " ".join(random.Random(7).choices(_WORDS, k=scenario.system))
    messages: list[Json] = [
        {"role": "system", "content": [{"type": "text", "text": system}]},
        {"role": "user", "content": f"Task {session}: make the tests pass. " + " ".join(draw.choices(_WORDS, k=20))},
    ]
    yield list(messages)
    for turn in range(1, count):
        call = {"id": f"c{turn}", "type": "function", "function": {"name": "run", "arguments": f'{{"n": {turn}}}'}}
        messages.append({"role": "assistant", "content": answer_text(turn)[: scenario.words], "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{turn}", "content": _result(draw, turn, scenario.words)})
        yield list(messages)


def _result(draw: random.Random, turn: int, words: int) -> str:
    text = " ".join(draw.choices(_WORDS, k=words // 2))
    match turn % 3:
        case 0:
            return text
        case 1:
            log = [f"\x1b[32mINFO\x1b[0m step {draw.randrange(9)} done" for _ in range(words // 8)]
            return "\n".join([*log, text])
        case _:
            rows = [{"identifier": draw.randrange(10**6), "status": "ok", "owner": None} for _ in range(words // 12)]
            return json.dumps(rows, indent=2) + "\n" + text


def marked(messages: list[Json], scenario: Scenario) -> list[Json]:
    if scenario.marks == "none":
        return messages
    control = {"type": "ephemeral", "ttl": "1h"} if scenario.hour else {"type": "ephemeral"}
    where = {0} if scenario.marks == "system" else {0, len(messages) - 1}
    return [message | {"content": _with_mark(message["content"], control)} if at in where else message
            for at, message in enumerate(messages)]  # fmt: skip


def _with_mark(content: Any, control: Json) -> list[Json]:
    pieces = content if isinstance(content, list) else [{"type": "text", "text": content}]
    return [*pieces[:-1], pieces[-1] | {"cache_control": control}]
