"""Long base64 becomes its size and hash: a model cannot read it, and pays a token for every two characters."""

from __future__ import annotations

import hashlib
import re

# Shorter runs may be page tokens, signatures or keys that the model has to copy into its next call.
SHORTEST = 1_024
DISTINCT = 24  # base64 of real data uses most of its 64 signs; rulers and repeated words do not
WINDOW, STRIDE = 64, 448  # characters; together less than the smallest blob, nine wrapped lines of sixty

_INSIDE = re.compile(r"[A-Za-z0-9+/\r\n]*+")
# Both start only where a run starts, and never step back into one: linear in the text whatever it holds.
_RUN = re.compile(rf"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{{{SHORTEST},}}+={{0,2}}")
_WRAPPED = re.compile(r"^(?:[A-Za-z0-9+/]{60,120}+\r?\n){9,}+[A-Za-z0-9+/]{1,120}+={0,2}$", re.MULTILINE)


def drop_base64(text: str) -> str:
    """`text` with every long run of base64, whole or wrapped into lines, replaced by a mark that says so."""
    if not _may_hold_run(text):
        return text
    text = _RUN.sub(_mark, text)
    return _WRAPPED.sub(_mark, text) if "\n" in text else text


def _may_hold_run(text: str) -> bool:
    """Whether any window of a sparse sample lies wholly inside base64: a blob is too long to slip between them."""
    if len(text) < SHORTEST // 2:
        return False
    return any(_INSIDE.fullmatch(text, at, at + WINDOW) for at in range(0, len(text) - WINDOW + 1, STRIDE))


def _mark(found: re.Match[str]) -> str:
    run = found[0]
    head = run[:SHORTEST]
    mixed = re.search("[a-z]", head) and re.search("[A-Z]", head) and re.search("[0-9]", head)
    if len(run) < SHORTEST or not mixed or len(set(head)) < DISTINCT:
        return run
    sha = hashlib.sha256(run.encode()).hexdigest()[:16]
    return f"[base64 left out: {len(run)} characters, sha256 {sha}]"
