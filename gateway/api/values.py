"""The values that travel through a request: frozen, replaced and never mutated.

Money is in USD as float, prices in USD per million tokens, durations in seconds, sizes in tokens unless a name
says otherwise. `None` for a number means *unknown*; it is never a stand-in for zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

Json = dict[str, Any]
Path = tuple[str | int, ...]


class Tier(StrEnum):
    """The three classes of models, cheapest first."""

    WEAK = "weak"
    BASE = "base"
    STRONG = "strong"

    @property
    def rank(self) -> int:
        """0 for weak, 1 for base, 2 for strong."""
        return _TIER_ORDER.index(self)

    @classmethod
    def at(cls, rank: int) -> Tier:
        """The tier of a rank, clipped to the ends."""
        return _TIER_ORDER[max(0, min(rank, len(_TIER_ORDER) - 1))]


_TIER_ORDER = (Tier.WEAK, Tier.BASE, Tier.STRONG)


class Capability(StrEnum):
    """What a request may need of a model beyond plain text."""

    TOOLS = "tools"
    VISION = "vision"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    AUDIO = "audio"
    FILES = "files"


Dialect = Literal["chat"]
PartKind = Literal["text", "tool_call", "tool_result"]


class Part(NamedTuple):
    """One editable run of text in a conversation, whatever the dialect of the body. (A named tuple, since a request
    has hundreds of them and they are made several times faster.)

    `path` leads to the string inside the body, for example `("messages", 4, "content")`.
    `message` counts the conversation's messages from 0. For a `tool_call` the text is its JSON arguments; a
    `tool_result` names the call it answers and, where the call is in the conversation, the tool.
    """

    path: Path
    role: str
    kind: PartKind
    text: str
    message: int
    call_id: str | None = None
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class Hints:
    """What the caller said about a request by `x-thriftgate-*` headers or `metadata` (headers win)."""

    tier: Tier | None = None
    task_type: str | None = None
    session: str | None = None
    route: bool = True
    optimize: bool = True
    cache: bool = True
    recall: bool = True


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request as the caller sent it: the JSON body with unknown fields kept, and typed views of it.

    `parts` are the texts of the conversation in order; `messages` is how many messages it has.
    `size` is the body's length in bytes.
    """

    body: Json
    parts: tuple[Part, ...]
    messages: int
    size: int
    dialect: Dialect = "chat"
    hints: Hints = Hints()
    client: str = ""
    retry_count: int = 0

    @property
    def model(self) -> str:
        """The model name the caller asked for, as sent."""
        return str(self.body.get("model", ""))

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def tools(self) -> list[Json]:
        tools = self.body.get("tools")
        return [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the name of the virtual key (never the key itself), and the budget it draws on."""

    name: str
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """One rewrite of one `Part`: the place, the new text, which transform did it and what it was worth in tokens.

    Where several did it their names are joined by `+`, and `split` may say what each was worth, in the same order.
    `observed`: the part is a user's message in which an agent carries a tool's result, and only that is rewritten; of
    all users' messages the last may only be edited so.
    """

    path: Path
    text: str
    transform: str
    message: int
    tokens_removed: int
    split: tuple[int, ...] = ()
    observed: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The whole of a text of which an edit left something out. The edit's text names `id`, by which the model can ask
    for it: 12 hexadecimal digits that stand for the text."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Optimized:
    """What an optimizer proposes. The core applies `edits` to a copy of the body and keeps the original beside it;
    `stash` is what the model may ask for again, each text once."""

    edits: tuple[Edit, ...] = ()
    stash: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    """A named share of the complexity score: `value` of at most `maximum` points, and why."""

    name: str
    value: float
    maximum: float
    reason: str


@dataclass(frozen=True, slots=True)
class Complexity:
    """How hard a request looks: a score from 1 to 10 out of named factors.

    `confidence` is between 0 and 1. `force` is a tier the task type demands whatever the score.
    """

    score: float
    task_type: str
    factors: tuple[Factor, ...] = ()
    confidence: float = 0.0
    reason: str = ""
    force: Tier | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. Where a provider has no own price for cache reads or writes, the input price holds."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    @property
    def free(self) -> bool:
        return self.input == 0 and self.output == 0 and not self.cache_read and not self.cache_write


PriceSource = Literal["tiers.yaml", "litellm", "unknown"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One configured model at one upstream.

    `model` is litellm's name with the provider in front (`openai/gpt-5-mini`); `provider` and `upstream_model` are
    its two halves. `inactive` says why it cannot serve now (an unset variable), `None` when it can.
    `standby` deployments serve only while no other one is active. For a wildcard both names end in `*`.
    """

    name: str
    tier: Tier
    model: str
    provider: str
    upstream_model: str
    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = None
    priority: int = 100
    price: Price | None = None
    price_source: PriceSource = "unknown"
    context_window: int | None = None
    max_output: int | None = None
    transport: Literal["auto", "sdk"] = "auto"
    capabilities: frozenset[Capability] = frozenset()
    inactive: str | None = None
    standby: bool = False

    @property
    def wildcard(self) -> bool:
        return self.name.endswith("*")


@dataclass(frozen=True, slots=True)
class TierLimits:
    """The highest complexity score and the largest prompt (tokens) a tier takes; `None` is no limit."""

    max_complexity: float | None
    max_context: int | None


@dataclass(frozen=True, slots=True)
class TaskType:
    """A kind of work: the points it adds to the score (1-4) and the expressions it is recognised by."""

    name: str
    points: float
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """The `routing` and `tiers.*.max_*` part of tiers.yaml, for scorers and routers."""

    mode: Literal["enforce", "observe"]
    rewrite: Literal["always", "auto_only", "never"]
    default_tier: Tier
    prefer_free: bool
    force_strong_for: tuple[str, ...]
    task_types: tuple[TaskType, ...]
    factors: Mapping[str, Any]
    limits: Mapping[Tier, TierLimits]
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller's `model` means: `auto`, a tier, a deployment, or a model that only the price list knows.

    `deployments` are those that serve exactly what was asked, best first (empty for `auto` and for a model that
    no deployment serves). `price` belongs to the model asked for, or to the baseline where `auto` or a tier was asked.
    """

    name: str
    kind: Literal["auto", "tier", "deployment", "known"]
    tier: Tier | None = None
    deployments: tuple[Deployment, ...] = ()
    price: Price | None = None
    price_model: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Warmth:
    """What the session's upstream has likely cached: the deployment used last, how long ago (seconds), and the
    tokens it was sent then (of the body as sent, and of the untrimmed body). `None` deployment: nothing is warm."""

    deployment: str | None = None
    model: str | None = None
    age: float = 0.0
    sent_tokens: int = 0
    original_tokens: int = 0
    tier: Tier | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """Estimated prompt tokens of the body as sent by the caller and as trimmed, and the expected answer."""

    original: int
    trimmed: int
    output: int


@dataclass(frozen=True, slots=True)
class BudgetView:
    """How a caller's budget stands: `left` is between 0 and 1; `None` where no budget applies."""

    name: str | None = None
    left: float | None = None
    remaining_usd: float | None = None
    free_only: bool = False


@dataclass(frozen=True, slots=True)
class RouteView:
    """Everything a router may look at besides the request and its complexity. `deployments` are the active ones in
    the file's order, `cooling` the names of those that failed lately, `needs` the capabilities the request uses.
    `marked`: the body says what shall be cached (`cache_control`), without which Claude models cache nothing.
    `marking` names the deployments for which the gateway itself will mark the body."""

    asked: Asked
    deployments: tuple[Deployment, ...]
    cooling: frozenset[str]
    needs: frozenset[Capability]
    sizes: Sizes
    warmth: Warmth
    budget: BudgetView
    routing: Routing
    marked: bool = False
    marking: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Considered:
    """One line of the decision's table: a deployment, its expected cost, or why it was passed over."""

    deployment: str
    tier: Tier
    expected_usd: float | None
    skipped: str | None = None
    trimmed: bool = True


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Deployments in the order to be tried (never empty), which body they get, and the reason in a sentence."""

    deployments: tuple[Deployment, ...]
    tier: Tier
    reason: str
    trimmed: bool = True
    considered: tuple[Considered, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one upstream call. `input` counts all of the prompt, cached reads and cache writes included;
    `output` counts all of the answer, reasoning included. `cache_write_1h` is the share of `cache_write` that is kept
    for an hour, which has a price of its own. `audio_input` and `audio_output` are the shares of `input` and `output`
    that are sound. `estimated` where the upstream reported none."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False
    cache_write_1h: int = 0
    audio_input: int = 0
    audio_output: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upstream call: which deployment, how it ended (`ok`, or an error's code), after how many seconds, and what
    it cost where that is known (`None`: unknown; a call that used nothing costs 0)."""

    deployment: str
    tier: Tier
    result: str
    seconds: float
    status: int | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Savings:
    """What the call cost less than what was asked for would have: `total` = routing + context + cache.

    Each is USD, negative when it cost more, `None` where a price is unknown. The model asked for and the untrimmed
    prompt are the baseline; `docs/explanation/savings.md` has the formula.
    """

    routing: float | None = None
    context: float | None = None
    cache: float | None = None
    baseline_usd: float | None = None

    @property
    def total(self) -> float | None:
        if self.routing is None or self.context is None or self.cache is None:
            return None
        return self.routing + self.context + self.cache


@dataclass(frozen=True, slots=True)
class Completed:
    """The whole answer reached the caller. `finish_reason` is the upstream's word."""

    finish_reason: str | None = None
    kind: Literal["completed"] = "completed"


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer, or one that broke off: the status and code the caller saw. `committed`: after the first byte."""

    status: int
    code: str
    message: str
    committed: bool = False
    kind: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway itself said no (key, guard, budget, bad input) and called nobody."""

    status: int
    code: str
    message: str
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller went away. `phase` is where the call stood."""

    phase: Literal["waiting", "streaming"]
    kind: Literal["cancelled"] = "cancelled"


Outcome = Completed | Failed | Refused | Cancelled


@dataclass(frozen=True, slots=True)
class CallRecord:
    """All there is to know of one call: what every sink (ledger, metrics, dashboard) receives.

    `started` is Unix time in seconds. `overhead` is the gateway's own time before the upstream call, in seconds.
    `tokens_before` and `tokens_after` are estimates of the prompt before and after trimming; `usage` is measured
    unless it says otherwise, and covers the answering attempt, while `cost_usd` covers all attempts. `recalls` counts
    how often the model asked for what had been left out of its prompt.
    """

    id: str
    started: float
    duration: float
    outcome: Outcome
    caller: str
    session: str
    client: str
    dialect: Dialect
    stream: bool
    asked: str
    deployment: str | None = None
    model: str | None = None
    provider: str | None = None
    tier: Tier | None = None
    routed_tier: Tier | None = None
    mode: str = "enforce"
    complexity: Complexity | None = None
    reason: str = ""
    considered: tuple[Considered, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    cost_usd: float | None = None
    price_source: PriceSource = "unknown"
    savings: Savings = Savings()
    baseline_model: str | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    trimmed_by: Mapping[str, int] = field(default_factory=dict)
    time_to_first_token: float | None = None
    overhead: float | None = None
    budget: str | None = None
    recalls: int = 0
