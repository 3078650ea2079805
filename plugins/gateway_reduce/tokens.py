"""How many tokens a text is worth, counted with o200k_base."""

from __future__ import annotations

import importlib.util
import os
from functools import cached_property
from pathlib import Path

import tiktoken
import xxhash

from gateway_reduce.memo import Memo

PIECE = 4_000  # characters: the merger is quadratic in a run without a word border, so it never sees a long one
MEMO_ENTRIES = 50_000
SAMPLED = 12_000  # characters from which a text is counted by a sample; below, eight pieces say too little
SAMPLE, STRIDE = 400, 1_600  # characters: the first quarter of each stretch
CERTAIN = 0.05  # a sampled difference under this share is counted out


def digest(text: str) -> bytes:
    """A key for a text of any content, lone surrogates included."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


def use_shipped_vocabulary() -> None:
    """Let tiktoken read the vocabulary inside litellm's wheel, which would otherwise come over the network.

    litellm is located, not imported: its import takes seconds. A `TIKTOKEN_CACHE_DIR` that is set already is
    respected. Raises `FileNotFoundError` where the wheel has no vocabulary.
    """
    if os.environ.get("TIKTOKEN_CACHE_DIR"):
        return
    spec = importlib.util.find_spec("litellm")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "litellm_core_utils" / "tokenizers"
        if folder.is_dir():
            os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
            return
    raise FileNotFoundError("litellm's wheel holds no tokenizer vocabulary (litellm_core_utils/tokenizers)")


class Tokens:
    """Counts tokens. The vocabulary is read at the first count, about half a second once per process."""

    def __init__(self) -> None:
        self._memo: Memo[int] = Memo(MEMO_ENTRIES)

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        use_shipped_vocabulary()
        return tiktoken.get_encoding("o200k_base")

    def load(self) -> None:
        """Read the vocabulary now."""
        self._encoding.encode_ordinary("")

    def count(self, text: str) -> int:
        """Tokens of a text. A text is counted in pieces, so a long one may come out a few tokens high."""
        key = digest(text)
        known = self._memo.get(key)
        if known is None:
            encode = self._encoding.encode_ordinary
            known = sum(len(encode(text[at : at + PIECE])) for at in range(0, len(text), PIECE))
            self._memo.put(key, known)
        return known

    def removed(self, before: str, after: str) -> int:
        """Tokens by which `after` is shorter. Of long texts a quarter is counted, spread evenly.

        Counting is what a first sight of a long result costs most; a small difference is always counted out.
        """
        if len(before) >= SAMPLED and len(after) < len(before):
            whole = self._sampled(before)
            difference = whole - self._sampled(after)
            if difference >= CERTAIN * whole:
                return round(difference)
        return self.count(before) - self.count(after)

    def _sampled(self, text: str) -> float:
        if len(text) < SAMPLED:
            return self.count(text)
        sample = [text[at : at + SAMPLE] for at in range(0, len(text), STRIDE)]
        counted = sum(map(len, sample))
        return len(text) / counted * sum(map(self.count, sample))
