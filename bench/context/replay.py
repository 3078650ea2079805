"""Replays sessions turn by turn and adds up what became of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.context.billing import Provider
from bench.context.model import recalled
from bench.context.needles import Found, log_facts, look_up, needles
from bench.context.optimizers import Optimizer, Sent
from bench.context.prompt import Prompt, Segment, prompt_of, shared, tokens_of
from bench.context.traces import Json, Session
from bench.context.validity import broken

CALL = Segment(tokens_of("<assistant>\nrecall 3fa9c1d27b04 lines 1-40\n<tool>"))
RECALLED = Segment(tuple(range(1_500)))  # what a recall brings at most


@dataclass(frozen=True)
class Pace:
    """Seconds between two turns, and how long the pause before each `pause_every`th turn is (0: there are none)."""

    gap: float = 20.0
    pause: float = 600.0
    pause_every: int = 0

    def pauses_before(self, turn: int) -> bool:
        return bool(self.pause_every and turn and turn % self.pause_every == 0)


class Dollars(defaultdict[str, float]):
    """By provider."""

    def __init__(self) -> None:
        super().__init__(float)

    def update(self, other: dict[str, float]) -> None:  # type: ignore[override]  # adds, as a Counter does
        for provider, dollars in other.items():
            self[provider] += dollars


@dataclass
class Figures:
    """Sums over sessions. Dollars are by provider: of the requests as they came, as they were sent, and as they were
    sent with a recall billed for each turn that needs one."""

    requests: int = 0
    sessions: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    tokens: int = 0
    tokens_sent: int = 0
    repeatable: int = 0
    repeated: int = 0
    needles: int = 0
    kept: int = 0
    recall: int = 0
    facts: int = 0
    facts_kept: int = 0
    compared: int = 0
    deterministic: int = 0
    idempotent: int = 0
    asked: Dollars = field(default_factory=Dollars)
    sent: Dollars = field(default_factory=Dollars)
    recalled: Dollars = field(default_factory=Dollars)
    lost: list[tuple[str, int, list[str]]] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            if isinstance(value, Counter | Dollars):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    @property
    def cut(self) -> float:
        """Percent of the tokens that were not sent."""
        return 100 * (1 - self.tokens_sent / self.tokens) if self.tokens else 0.0

    def change(self, provider: str, *, recalls: bool = False) -> float:
        """Percent by which the input's price changed."""
        sent = (self.recalled if recalls else self.sent)[provider]
        return 100 * (sent / self.asked[provider] - 1) if self.asked[provider] else 0.0


class Bench:
    """Sends sessions through an optimizer and bills them at each provider."""

    def __init__(self, optimizer: Optimizer, providers: Iterable[Provider], pace: Pace) -> None:
        self._optimizer = optimizer
        self._providers = tuple(providers)
        self._pace = pace

    def session(self, session: Session) -> Figures:
        figures = Figures(sessions=1)
        optimizer = self._optimizer.fresh() or self._optimizer
        asked, sent = list[Prompt](), list[Prompt]()
        following = list[list[Prompt]]()
        cold_at, body, after = 0, session.body, session.body
        for number, turn in enumerate(session.turns()):
            body = turn.body
            cold = not number or self._pace.pauses_before(number)
            cold_at = len(body["messages"]) if cold else cold_at
            wanted = needles(turn)
            now = optimizer.send(session.id, body, cold_at, wanted)
            after = now.body
            told = None if now.more is None else recalled(now.more, len(after["messages"]))
            given = now.untouched or body
            found = look_up(wanted, body, after, told)
            _judge(figures, broken(given, after), found)
            if found.lost:
                figures.lost.append((session.id, number, sorted(found.lost)))
            asked.append(prompt_of(given))
            sent.append(prompt_of(after))
            following.append(_following(now, sent[-1], needed=bool(found.recall)))
            if not cold:
                figures.repeatable += sent[-2].size
                figures.repeated += shared(sent[-2], sent[-1])
        figures.tokens = sum(prompt.size for prompt in asked)
        figures.tokens_sent = sum(prompt.size for prompt in sent)
        figures.facts, figures.facts_kept = log_facts(body, after)
        self._again(figures, session.id, body, after, cold_at)
        self._bill(figures, asked, sent, following)
        return figures

    def _again(self, figures: Figures, session: str, body: Json, after: Json, cold_at: int) -> None:
        """The last request once more at one that knows nothing, and its result given in again."""
        other = self._optimizer.fresh()
        if other is not None:
            figures.compared = 1
            figures.deterministic = int(other.send(session, body, cold_at).body == after)
            given_in = (
                {**after, "tools": body["tools"]} if "tools" in body else after
            )  # its own tool would be in the way
            figures.idempotent = int(other.send(session, given_in, cold_at).body == after)

    def _bill(self, figures: Figures, asked: list[Prompt], sent: list[Prompt], more: list[list[Prompt]]) -> None:
        for provider in self._providers:
            caches = [provider.cache() for _ in range(3)]
            now = 0.0
            for number, (old, new) in enumerate(zip(asked, sent, strict=True)):
                if number:
                    now += self._pace.pause if self._pace.pauses_before(number) else self._pace.gap
                figures.asked[provider.name] += provider.dollars(caches[0].turn(now, old))
                figures.sent[provider.name] += provider.dollars(caches[1].turn(now, new))
                for prompt in (new, *more[number]):
                    figures.recalled[provider.name] += provider.dollars(caches[2].turn(now, prompt))


def _following(sent: Sent, prompt: Prompt, *, needed: bool) -> list[Prompt]:
    """The prompts that follow one before it is answered: those that came, or the one that a recall would make."""
    if sent.more is not None:
        return [prompt_of(body) for body in sent.more]
    return [Prompt((*prompt.segments, CALL, RECALLED), prompt.head, prompt.marks)] if needed else []


def _judge(figures: Figures, faults: list[str], found: Found) -> None:
    figures.requests += 1
    figures.invalid += bool(faults)
    figures.broken.update(faults)
    figures.needles += found.wanted
    figures.kept += len(found.kept)
    figures.recall += len(found.recall)
