"""What the context plugin saves and what it leaves alone, measured on recorded agent sessions.

    python -m bench.context [TRACES...]

Without arguments: the samples beside this file, and `../shared/data/traces` where that is present. Every figure is
explained in docs/explanation/context.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean, median

from bench.context.replay import Bench, Figures, large_body, large_times
from bench.context.traces import Session, read

HERE = Path(__file__).parent
RECORDED = HERE.parents[1] / ".." / "shared" / "data" / "traces"
LARGE = 100_000  # tokens
HEAD = (
    "| kind | requests | tokens cut % | valid % | prefix stable % | needles kept | same again | idempotent "
    "| $ OpenAI | $ Anthropic | $ uncached | µs first sight | µs newest |"
)


def main(arguments: list[str]) -> None:
    places = [Path(argument) for argument in arguments]
    if not places:
        places = [HERE / "samples", *([RECORDED] if RECORDED.is_dir() else [])]
    for place in places:
        print(f"\n{place.name if place.is_dir() else place}\n")
        report(read([place]))


def report(sessions: list[Session]) -> None:
    bench = Bench()
    kinds: dict[str, Figures] = {}
    for session in sessions:
        kinds.setdefault(session.kind, Figures()).add(bench.session(session))
    total = Figures()
    print(HEAD)
    print("|---" * (HEAD.count("|") - 1) + "|")
    for kind, figures in sorted(kinds.items()):
        print(row(kind, figures))
        total.add(figures)
    print(row("all", total))
    print(f"\nmean of kinds: {mean(cut(figures) for figures in kinds.values()):.1f} % of tokens cut")
    first, one_more = large_times(large_body(sessions, LARGE))
    print(f"a conversation of {LARGE:,} tokens: {first:.1f} ms at first sight, {one_more:.2f} ms for one message more")


def cut(figures: Figures) -> float:
    return 100 * (1 - figures.after.tokens / figures.before.tokens)


def row(kind: str, figures: Figures) -> str:
    before, after = figures.before, figures.after
    dollars = [
        f"{100 * (new / old - 1):+.1f}"
        for old, new in (
            (before.openai, after.openai),
            (before.anthropic, after.anthropic),
            (before.uncached, after.uncached),
        )
    ]
    cells = [
        kind,
        str(figures.requests),
        f"{cut(figures):.1f}",
        share(figures.valid, figures.requests),
        share(after.shared, after.repeatable),
        f"{figures.kept}/{figures.needles}",
        f"{figures.deterministic}/{figures.sessions}",
        f"{figures.idempotent}/{figures.sessions}",
        *dollars,
        f"{median(figures.first):.0f}",
        f"{median(figures.newest):.0f}" if figures.newest else "-",
    ]
    return "| " + " | ".join(cells) + " |"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


if __name__ == "__main__":
    main(sys.argv[1:])
