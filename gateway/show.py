"""How decisions, deployments and cuts look in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rapidfuzz.distance import Indel
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gateway.api import Deployment, Json, Tier
from gateway.preview import Cut, Preview

CONTEXT = 3  # unchanged lines shown round a change
LONGEST_RUN = 12  # lines of one kind in a row; of more the first and last are shown
LONGEST_LINE = 300  # characters
MOST_COMPARED = 400_000_000  # pairs of lines; beyond, the whole text counts as changed
_STYLES = {"-": "red", "+": "green", " ": "dim"}
# Shown, not obeyed: as signs, and those that have none by their numbers.
_CONTROLS: dict[int, int | str] = {code: 0x2400 + code for code in range(32) if code != 9}
_CONTROLS |= {127: 0x2421} | {code: f"\\x{code:02x}" for code in range(128, 160)}

Line = tuple[str, str]  # "-", "+" or " ", and the text


def show_decision(decision: Json, out: Console) -> None:
    chosen, score, prompt = decision["decision"], decision["complexity"], decision["prompt"]
    out.print(f"[bold]{escape(chosen['deployment'])}[/]  ({chosen['tier']} tier, {escape(chosen['model'])})")
    out.print(f"  asked for {escape(decision['asked']['model'])}; {escape(chosen['reason'])}")
    if chosen["fallbacks"]:
        out.print(f"  then, if it fails: {escape(', '.join(chosen['fallbacks']))}")
    out.print(
        f"\n[bold]complexity {score['score']:.1f} of 10[/]  {score['task_type']}, confidence {score['confidence']:.0%}"
    )
    factors = Table(box=None, pad_edge=False, show_header=False)
    for factor in score["factors"]:
        factors.add_row(
            f"  {factor['name']}", f"{factor['value']:.1f} of {factor['maximum']:g}", escape(factor["reason"])
        )
    out.print(factors)
    share = prompt["tokens_trimmed"] / prompt["tokens"] if prompt["tokens"] else 0.0
    out.print(f"\n[bold]prompt {prompt['tokens']:,} tokens[/]  {prompt['tokens_trimmed']:,} trimmed ({share:.0%})")
    for transform, tokens in sorted(prompt["trimmed_by"].items(), key=lambda item: -item[1]):
        out.print(f"  {transform}: {tokens:,}")
    if decision["considered"]:
        out.print()
        table = Table("candidate", "tier", "expected", "", box=None, pad_edge=False)
        for line in decision["considered"]:
            dollars = line["expected_usd"]
            table.add_row(
                escape(line["deployment"]),
                line["tier"],
                "unknown" if dollars is None else f"${dollars:.6f}",
                f"skipped: {escape(line['skipped'])}" if line["skipped"] else "",
                style="dim" if line["skipped"] else None,
            )
        out.print(table)


def models_table(deployments: tuple[Deployment, ...], *, whole: bool) -> Table:
    """`whole` is with litellm's names, for which a narrow terminal has no room."""
    table = Table(box=None, pad_edge=False)
    for column in ("tier", "name", *(["model"] if whole else []), "$/M in", "$/M out", "window", "status"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for deployment in sorted(deployments, key=lambda one: list(Tier).index(one.tier)):
        price, window = deployment.price, deployment.context_window
        table.add_row(
            deployment.tier.value,
            deployment.name,
            *([deployment.model] if whole else []),
            "unknown" if price is None else f"{price.input:g}",
            "unknown" if price is None else f"{price.output:g}",
            "unknown" if window is None else f"{window:,}",
            escape(deployment.inactive) if deployment.inactive else "active",
            style="dim" if deployment.inactive else None,
        )
    return table


def show_preview(found: Preview, out: Console, *, full: bool) -> None:
    """`full`: no line is folded away and none is cut off."""
    if not found.cuts:
        out.print("Nothing would be cut.")
        return
    for cut in found.cuts:
        out.print(_title(cut), soft_wrap=True)
        lines = diff(cut.part.text, cut.edit.text)
        for sign, text in lines if full else folded(lines):
            shown = text if full else _cut_off(text)
            out.print(Text(f"  {sign} {printable(shown)}", style=_STYLES[sign]), soft_wrap=True)
        out.print()
    out.print(_by_transform(found))
    before = found.tokens_after + found.tokens_removed
    out.print(
        f"\n[bold]{found.tokens_removed:,} of about {before:,} tokens cut[/] ({found.tokens_removed / before:.0%})"
    )
    if found.stash:
        out.print("\nWhat was left out can be asked for:")
        out.print(_stash(found))


def _title(cut: Cut) -> str:
    part, before, after = cut.part, cut.tokens_before, cut.tokens_after
    where = " ".join(word for word in (part.role, part.tool, part.call_id) if word)
    tokens = f"about {before:,} -> {after:,} tokens"
    return (
        f"[bold]message {part.message}[/]  {escape(printable(where))}  [cyan]{escape(cut.edit.transform)}[/]  {tokens}"
    )


def _by_transform(found: Preview) -> Table:
    texts, tokens = Counter[str](), Counter[str]()
    for cut in found.cuts:
        texts[cut.edit.transform] += 1
        tokens[cut.edit.transform] += cut.edit.tokens_removed
    table = Table("transform", box=None, pad_edge=False)
    for column in ("texts", "tokens cut"):
        table.add_column(column, justify="right")
    for transform, removed in tokens.most_common():
        table.add_row(escape(transform), str(texts[transform]), f"{removed:,}")
    if found.tool_tokens:
        table.add_row("the tool `recall`", "", f"{-found.tool_tokens:,}")
    return table


def _stash(found: Preview) -> Table:
    table = Table("id", box=None, pad_edge=False)
    table.add_column("characters", justify="right")
    table.add_column("begins", no_wrap=True, overflow="ellipsis")
    for left in found.stash:
        begins = left.text.lstrip()[:LONGEST_LINE].split("\n")[0]
        table.add_row(escape(left.id), f"{len(left.text):,}", Text(printable(begins)))
    return table


def diff(before: str, after: str) -> list[Line]:
    """The lines that went, came and stayed; in each change those that went stand first."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) * len(new) > MOST_COMPARED:
        return [*(("-", line) for line in old), *(("+", line) for line in new)]
    lines, came = list[Line](), list[Line]()
    for step in Indel.opcodes(old, new):
        if step.tag == "equal":
            lines += came
            came = []
            lines += ((" ", line) for line in old[step.src_start : step.src_end])
        elif step.tag == "delete":
            lines += (("-", line) for line in old[step.src_start : step.src_end])
        else:
            came += (("+", line) for line in new[step.dest_start : step.dest_end])
    return lines + came


def folded(lines: list[Line]) -> Iterator[Line]:
    """The lines of a diff without the middle of long stretches: of unchanged lines all but those next to a change, of
    others all but the first and last."""
    start = 0
    while start < len(lines):
        sign = lines[start][0]
        end = next((at for at in range(start, len(lines)) if lines[at][0] != sign), len(lines))
        run = lines[start:end]
        if sign == " ":
            first, last = (CONTEXT if start else 0), (CONTEXT if end < len(lines) else 0)
        else:
            first, last = LONGEST_RUN - CONTEXT, CONTEXT
        left = len(run) - first - last
        if left <= 1:
            yield from run
        else:
            yield from run[:first]
            yield sign, f"... {left:,} more lines"
            yield from run[len(run) - last :]
        start = end


def printable(text: str) -> str:
    """A text whose control characters are shown and not obeyed, in characters that can be encoded."""
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()


def _cut_off(line: str) -> str:
    return (
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}... {len(line) - LONGEST_LINE:,} more characters"
    )
