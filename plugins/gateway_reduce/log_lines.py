"""Whether a text is a log, judged by a sample of its lines.

A log says when: most of its lines begin with a time or a level. Listings, tables, code and records may hold times
too, but there names and figures are what the reader came for; these are told apart here.
"""

from __future__ import annotations

import re
from collections import Counter

SAMPLED = 64  # lines by which a text is judged before it is read as a whole
GLANCE = 4  # of so many of these one is looked at first
LEAST_TIMED = 0.5  # share of the lines that are entries of a log, or frames of the stack traces
LEAST_AMONG_FRAMES = 0.1  # between them
SEEN = 400  # characters of a line by which it is judged
HEAD = 64  # characters in which the time of an entry stands

DIGITS = bytes.maketrans(b"123456789\t\r", b"000000000  ")
_TIMES = (b"0:00:00", b"0.000000]")
_COMPACT = b"000000 000000 "  # date and time, as HDFS writes them
_EPOCH = re.compile(r"(?<![\w.])1\d{9}(?:\d{3}|\.\d+)?(?![\w.])")  # not an address in memory
_LEVEL = re.compile(
    rb"[^A-Za-z]*(?:(?:INFO|DEBUG|WARN(?:ING)?|ERROR|TRACE|NOTICE)\b|(?<=\[)(?:info|debug|warn|error)\])"
)
_FRAME = ("at ", 'File "', "Caused by: ", "... ")
_FILE = re.compile(rb"[-dlbcps](?:[r-][w-][xsStT-]){3}")


def is_log(lines: list[str]) -> bool:
    """Whether most lines begin with a time or a level, and none of the things that have times too is there."""
    step = max(1, len(lines) // SAMPLED)
    sample = [line for line in lines[:: GLANCE * step] if line]
    if not any(map(is_entry, sample)):
        return False
    sample = [line for line in lines[::step] if line and not line.isspace()]
    least = LEAST_TIMED * len(sample)
    entries = sum(map(is_entry, sample))
    frames = sum(line.lstrip().startswith(_FRAME) for line in sample)
    if entries < LEAST_AMONG_FRAMES * len(sample) or entries + frames < least:
        return False
    rows = list(map(_masked, sample))
    if sum(row.rstrip().endswith((b",", b";", b"{")) or row.startswith(b"{") for row in rows) >= least:
        return False  # code, or records in JSON
    if sum(b" +0000 " in row and row.find(b") ") > 0 for row in rows) >= least:  # git blame
        return False
    if any("PID" in line and line.rstrip().endswith(("CMD", "COMMAND", "Command")) for line in lines[:8]):
        return False  # ps, top
    return not _is_table(rows)


def is_entry(line: str) -> bool:
    head = _masked(line[:HEAD])
    if _FILE.match(head):
        return False
    if any(time in head for time in _TIMES) or head.startswith(_COMPACT) or _LEVEL.match(head):
        return True
    return b"0000000000" in head and _EPOCH.search(line, 0, HEAD) is not None


def _is_table(rows: list[bytes]) -> bool:
    """Whether the lines are records of as many fields each, as in CSV or what a database prints."""
    for mark, prose in ((b",", b", "), (b"\t", None), (b";", b"; "), (b" | ", None)):
        counts = Counter(row.count(mark) - (row.count(prose) if prose else 0) for row in rows)
        fields, times = counts.most_common(1)[0]
        if fields >= 3 and times >= 0.9 * len(rows):
            return True
    return False


def _masked(line: str) -> bytes:
    return line[:SEEN].encode("utf-8", "surrogatepass").translate(DIGITS)
