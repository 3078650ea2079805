"""Figures as tables, as JSON, and as a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean

from bench.context.billing import Provider
from bench.context.replay import Figures
from bench.context.speed import at
from bench.context.traces import Json

DEARER = 0.1  # percent: where a provider reads its cache in steps, a shorter prompt may miss a step
SHOWN = 5
HEADS = [
    *("kind", "requests", "tokens cut %", "valid %", "prefix stable %", "needles kept", "need recall", "lost"),
    *("same again", "idempotent", "facts of logs kept %"),
]


@dataclass
class Report:
    """The figures of one set of sessions. `times` are milliseconds by size in tokens, `large` seconds by sort of text;
    both are empty where another process did the work."""

    providers: Sequence[Provider]
    kinds: dict[str, Figures] = field(default_factory=dict)
    native: Figures = field(default_factory=Figures)
    total: Figures = field(default_factory=Figures)
    times: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    large: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, figures: Figures, *, native: bool) -> None:
        self.kinds.setdefault(kind, Figures()).add(figures)
        self.total.add(figures)
        if native:
            self.native.add(figures)

    def rows(self) -> dict[str, Figures]:
        rows = dict(sorted(self.kinds.items()))
        if self.native.requests:
            rows["real conversations only"] = self.native
        return rows | {"all": self.total}

    def mean_of_kinds(self) -> float:
        return mean(figures.cut for figures in self.kinds.values())

    def worst(self, figures: Figures, *, recalls: bool = False) -> tuple[float, str]:
        """The smallest saving among the providers that cache: percent of change, and the provider."""
        return max((figures.change(p.name, recalls=recalls), p.name) for p in self.providers if p.caches)

    def faults(self) -> list[str]:
        """Why the run has failed, in words: something is invalid, unstable, or dearer than it was."""
        found = []
        for kind, figures in self.kinds.items():
            if figures.invalid:
                told = ", ".join(f"{what} ({count})" for what, count in figures.broken.most_common(SHOWN))
                found.append(f"{kind}: {figures.invalid} of {figures.requests} requests are invalid: {told}")
            if figures.repeated < figures.repeatable:
                found.append(f"{kind}: {figures.repeatable - figures.repeated} tokens of cached beginnings changed")
            if figures.deterministic < figures.compared:
                found.append(f"{kind}: {figures.compared - figures.deterministic} sessions came out otherwise")
            found += [
                f"{kind}: dearer at {provider.name} by {figures.change(provider.name):.1f} %"
                for provider in self.providers
                if figures.change(provider.name) > DEARER
            ]
        return found


def show(report: Report) -> None:
    _table(
        HEADS,
        [[name, *_quality(figures)] for name, figures in report.rows().items()],
    )
    names = [provider.name for provider in report.providers]
    _table(
        ["kind", *(f"$ {name} %" for name in names), "worst that caches", "with recalls billed"],
        [[name, *_dollars(report, figures)] for name, figures in report.rows().items()],
    )
    print(f"\nmean of kinds: {report.mean_of_kinds():.1f} % of tokens cut")
    for session, turn, facts in report.total.lost[:SHOWN]:
        print(f"lost in {session}, turn {turn}: {facts[:3]}")
    if report.times:
        _table(
            ["tokens", "first sight ms p50", "p95", "newest only ms p50", "p95"],
            [
                [f"{size:,}", *(f"{at(row[sight], p):.2f}" for sight in ("first", "newest") for p in (50, 95))]
                for size, row in report.times.items()
            ],
        )
    if report.large:
        _table(["a megabyte of", "seconds"], [[name, f"{seconds:.3f}"] for name, seconds in report.large.items()])


def as_json(report: Report) -> Json:
    rows = {
        name: {
            "requests": figures.requests,
            "sessions": figures.sessions,
            "tokens": figures.tokens,
            "tokens_sent": figures.tokens_sent,
            "cut_percent": figures.cut,
            "invalid": figures.invalid,
            "broken": dict(figures.broken),
            "prefix_stable_percent": _percent(figures.repeated, figures.repeatable),
            "needles": figures.needles,
            "needles_kept": figures.kept,
            "needles_need_recall": figures.recall,
            "log_facts": figures.facts,
            "log_facts_kept": figures.facts_kept,
            "compared": figures.compared,
            "deterministic": figures.deterministic,
            "idempotent": figures.idempotent,
            "dollars": dict(figures.asked),
            "dollars_sent": dict(figures.sent),
            "dollars_with_recalls": dict(figures.recalled),
            "worst_caching_provider": dict(zip(("change_percent", "name"), report.worst(figures), strict=True)),
        }
        for name, figures in report.rows().items()
    }
    times = {
        str(size): {f"{sight}_p{p}_ms": at(values, p) for sight, values in row.items() for p in (50, 95)}
        for size, row in report.times.items()
    }
    lost = [{"session": session, "turn": turn, "facts": facts} for session, turn, facts in report.total.lost]
    return {
        "rows": rows,
        "mean_of_kinds_percent": report.mean_of_kinds(),
        "cpu": times,
        "megabyte_seconds": report.large,
        "lost": lost,
        "faults": report.faults(),
    }


def _quality(figures: Figures) -> list[str]:
    lost = figures.needles - figures.kept - figures.recall
    return [
        str(figures.requests),
        f"{figures.cut:.1f}",
        _share(figures.requests - figures.invalid, figures.requests),
        _share(figures.repeated, figures.repeatable),
        f"{figures.kept}/{figures.needles}",
        str(figures.recall),
        str(lost),
        f"{figures.deterministic}/{figures.compared}",
        f"{figures.idempotent}/{figures.compared}",
        _share(figures.facts_kept, figures.facts),
    ]


def _dollars(report: Report, figures: Figures) -> list[str]:
    changes = [f"{figures.change(provider.name):+.1f}" for provider in report.providers]
    worst, name = report.worst(figures)
    return [*changes, f"{worst:+.1f} {name}", f"{report.worst(figures, recalls=True)[0]:+.1f}"]


def _table(heads: list[str], rows: list[list[str]]) -> None:
    print("\n| " + " | ".join(heads) + " |")
    print("|" + " --- |" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"
