"""Unified diffs keep three lines of context round each change, as git shows them by default.

A hunk whose context is wider is narrowed or split, and its header tells the new place and length: what comes out is
a valid patch, and says by its own numbers what it does not show. Long hunks of lock files and other generated
files give way to a mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from gateway_reduce.marks import LEFT_OUT, is_marked

CONTEXT = 3  # lines
WORTH_A_HEADER = 4  # lines of context that have to go between two changes, or their hunk stays one
LEAST_SHARE = 0.6  # of the lines that belong to hunks: a text that merely quotes a diff is another thing
OPENING = 60  # lines in which the first file has to begin
LONGEST_GENERATED = 60  # lines of a hunk

_HEADER = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_GENERATED = re.compile(
    r"(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lock|uv\.lock|poetry\.lock|pdm\.lock"
    r"|Pipfile\.lock|Cargo\.lock|go\.sum|composer\.lock|Gemfile\.lock|mix\.lock|flake\.lock|packages\.lock\.json"
    r"|\.min\.(?:js|css)|\.(?:js|css)\.map)\"?\s*$"
)


@dataclass(slots=True)
class _Hunk:
    """The lines of a hunk without its header; `old` and `new` are its first line numbers."""

    old: int
    new: int
    heading: str
    lines: list[str]


def narrow(text: str) -> str:
    """A diff with its context cut to three lines; any other text, and a diff whose counts are wrong, as it is."""
    if "\n@@ -" not in text or "\n+++ " not in text or is_marked(text):
        return text
    lines = text.split("\n")
    out: list[str] = []
    inside = at = first = 0
    path = ""
    while at < len(lines):
        header = _HEADER.match(lines[at]) if path and lines[at].startswith("@@ -") else None
        if header is None:
            if _opens_file(lines, at):
                path = lines[at] if lines[at] != "+++ /dev/null" else lines[at - 1]
                first = first or at
            out.append(lines[at])
            at += 1
            continue
        hunk = _read(lines, at, header)
        if hunk is None:
            return text
        at += 1 + len(hunk.lines)
        inside += 1 + len(hunk.lines)
        out.extend(_generated(hunk, header[0]) if _GENERATED.search(path) else _narrowed(hunk, header[0]))
    if inside < LEAST_SHARE * len(lines) or first > OPENING:
        return text
    narrowed = "\n".join(out)
    return narrowed if len(narrowed) < len(text) else text


def _opens_file(lines: list[str], at: int) -> bool:
    return at > 0 and lines[at].startswith("+++ ") and lines[at - 1].startswith("--- ")


def _read(lines: list[str], at: int, header: re.Match[str]) -> _Hunk | None:
    """The hunk whose header stands at `at`, or `None` where its lines are not those the header promises."""
    old, new = (int(count) if count is not None else 1 for count in (header[2], header[4]))
    start = upto = at + 1
    while (old or new) and upto < len(lines):
        sign = lines[upto][:1]
        ended = not sign and upto == len(lines) - 1
        if ended or sign not in ("", " ", "+", "-", "\\", "\r"):
            return None
        old -= sign not in ("+", "\\")
        new -= sign not in ("-", "\\")
        upto += 1
    if old or new:
        return None
    if upto < len(lines) and lines[upto].startswith("\\ "):
        upto += 1
    following = lines[upto] if upto < len(lines) else ""
    if following.startswith((" ", "+", "-")) and not following.startswith(("--- ", "-- ")):
        return None
    heading = lines[at][header.end() :]
    return _Hunk(int(header[1]), int(header[3]), heading, lines[start:upto])


def _generated(hunk: _Hunk, header: str) -> list[str]:
    if len(hunk.lines) <= LONGEST_GENERATED:
        return _narrowed(hunk, header)
    changed = sum(line.startswith(("+", "-")) for line in hunk.lines)
    mark = f"{LEFT_OUT}{len(hunk.lines)} lines of a generated file, {changed} of them changed]"
    return [header + hunk.heading, mark]


def _narrowed(hunk: _Hunk, header: str) -> list[str]:
    lines = hunk.lines
    spans = list(_spans(lines))
    if not spans or spans == [(0, len(lines))]:
        return [header + hunk.heading, *lines]
    out: list[str] = []
    old, new, heading = hunk.old, hunk.new, hunk.heading
    done = 0
    for start, end in spans:
        skipped = _lengths(lines[done:start])
        old, new = old + skipped[0], new + skipped[1]
        olds, news = _lengths(lines[start:end])
        out.append(f"@@ -{_place(old, olds)} +{_place(new, news)} @@{heading}")
        out.extend(lines[start:end])
        old, new, heading, done = old + olds, new + news, "", end
    return out


def _spans(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where the changes stand with their context, as pairs of line numbers; neighbours that meet are one."""
    changes = [at for at, line in enumerate(lines) if line.startswith(("+", "-"))]
    if not changes:
        return
    start = changes[0]
    for here, following in pairwise([*changes, len(lines) + 2 * (CONTEXT + WORTH_A_HEADER)]):
        if following - here > 2 * CONTEXT + WORTH_A_HEADER:
            end = min(here + 1 + CONTEXT, len(lines))
            if end < len(lines) and lines[end].startswith("\\"):
                end += 1
            yield max(0, start - CONTEXT), end
            start = following


def _lengths(lines: list[str]) -> tuple[int, int]:
    """How many lines of the old and of the new file these are."""
    olds = sum(not line.startswith(("+", "\\")) for line in lines)
    news = sum(not line.startswith(("-", "\\")) for line in lines)
    return olds, news


def _place(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"
