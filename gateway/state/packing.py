"""Texts as they are kept: UTF-8 in a frame of zstandard."""

from __future__ import annotations

import zstandard

LEVEL = 3
LARGEST = 64 * 1024 * 1024  # bytes of one text


def pack(text: str) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(text.encode("utf-8", "surrogatepass"))


def unpack(packed: bytes) -> str:
    """Raises `ValueError` for what `pack` did not make: others may write to a shared store."""
    try:
        if not 0 <= zstandard.frame_content_size(packed) <= LARGEST:
            raise ValueError("no text of a known and sensible size")
        return zstandard.ZstdDecompressor().decompress(packed).decode("utf-8", "surrogatepass")
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
