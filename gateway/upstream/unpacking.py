"""Compressed answers, unpacked piece by piece and never to more than is reasonable."""

from __future__ import annotations

import zlib

from gateway.upstream.faults import broken

_PIECE = 64 * 1024


class Unpacking:
    """We ask for `identity`, yet some proxies compress all the same. Gzip and deflate are unpacked; what else there is
    was not asked for and is refused: the constructor raises `UpstreamError`.

    `most` bounds the bytes of the whole answer once it is unpacked.
    """

    def __init__(self, encoding: str, most: int) -> None:
        if encoding.lower() not in {"gzip", "x-gzip", "deflate"}:
            raise broken("protocol", f"the upstream sent `{encoding[:40]}`, which was not asked for", retryable=False)
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._left = most

    def feed(self, data: bytes) -> bytes:
        """What `data` unpacks to, which may be nothing yet. Raises `UpstreamError`."""
        pieces: list[bytes] = []
        try:
            while data:
                piece = self._inflate.decompress(data, _PIECE)
                pieces.append(piece)
                self._left -= len(piece)
                if self._left < 0:
                    message = "the upstream's answer unpacks to more than is reasonable"
                    raise broken("protocol", message, retryable=False)
                data = self._inflate.unconsumed_tail
        except zlib.error:
            raise broken("protocol", "the upstream's compressed answer cannot be unpacked") from None
        return b"".join(pieces)
