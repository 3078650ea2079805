"""Long listings of files keep kind, size, date and name; owner, usual modes and link counts are said once or go.

A line is shortened only where every column of it is read, and a mode that is not one of the usual ones stays whole:
a set-user-id bit or a file that anybody may write is what such a listing is read for.
"""

from __future__ import annotations

import re
from collections import Counter

from gateway_reduce.marks import LEFT_OUT

SAID = "link counts, modes but d, l, x and unusual ones"  # a text that has it was here before
LEAST_LINES = 6  # fewer are not worth the mark

_LINE = re.compile(
    r"([-dl])([rwxsStT-]{9})[.+@]? +\d+ +([\w.+-]+ +[\w.+-]+) +(\d[\d.,]*[KMGTP]?) "
    r"((?:[A-Z][a-z]{2} +\d{1,2} +(?:\d\d:\d\d|\d{4})|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?:\.\d+ [+-]\d{4})?) \S.*)"
)
_USUAL = {"rw-r--r--": "", "rw-rw-r--": "", "rwxr-xr-x": "x", "rwxrwxr-x": "x"}
_BLANKS = re.compile(" +")


def shorten(text: str) -> str:
    """A text with the columns of `ls -l` in it that say least left out; any other text as it is."""
    if "rw" not in text or text.count("\n") < LEAST_LINES - 1 or SAID in text:
        return text
    lines = text.split("\n")
    files = {at: found for at, line in enumerate(lines) if (found := _file(line)) is not None}
    neighbours = [at for at in files if at + 1 in files or at - 1 in files]
    if len(neighbours) < LEAST_LINES:
        return text
    owner = Counter(files[at][3] for at in neighbours).most_common(1)[0][0]
    for at in neighbours:
        lines[at] = _row(files[at], owner)
    said = _BLANKS.sub(" ", owner)
    mark = f"{LEFT_OUT}{SAID}, owner and group where they are {said}]"
    lines.insert(neighbours[0], mark)
    shortened = "\n".join(lines)
    return shortened if len(shortened) < len(text) else text


def _file(line: str) -> re.Match[str] | None:
    return _LINE.fullmatch(line) if line[:1] in ("-", "d", "l") and line[1:2] in ("r", "-") else None


def _row(found: re.Match[str], usual_owner: str) -> str:
    kind, mode, owner, size, rest = found.groups()
    if kind == "l":
        shown = kind
    elif mode in _USUAL:
        shown = "d" if kind == "d" else _USUAL[mode]
    else:
        shown = kind + mode
    return " ".join(filter(None, (shown, "" if owner == usual_owner else _BLANKS.sub(" ", owner), size, rest)))
