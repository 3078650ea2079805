"""One answer as it comes in: what the parser has made of its bytes so far, and who waits for more."""

from __future__ import annotations

import asyncio

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.api import UpstreamError
from gateway.upstream.faults import broken

MAX_FIELD = 32 * 1024
MAX_HEAD = 64 * 1024
_PER_FIELD = 32  # what a field counts beside its bytes, so that there cannot be too many of them
_HIGH_WATER = 256 * 1024


class Incoming:
    """An answer. It has a parser of its own, so that nothing of another answer can get into it.

    `status` is 0 until the head is complete; `fields` are by their names in lower case. `complete` and `fault` exclude
    each other and are final; what came of the body before a fault can still be taken. `heard`: any byte has come.
    `keeps`: the connection can carry another request once this answer is complete.
    `waiting_since` is the loop's time at which whoever waits last got something, `None` while nobody waits.
    """

    __slots__ = (
        "__weakref__",
        "_barren",
        "_enough",
        "_head_size",
        "_held",
        "_loop",
        "_parser",
        "_pieces",
        "_received",
        "_to_close",
        "_waiter",
        "complete",
        "fault",
        "fields",
        "heard",
        "keeps",
        "status",
        "waiting_since",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.heard = False
        self.complete = False
        self.fault: UpstreamError | None = None
        self.waiting_since: float | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._received = 0
        self._head_size = 0
        self._barren = 0
        self._enough = 0
        self.keeps = True
        self._to_close = False
        self._waiter: asyncio.Future[None] | None = None
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    @property
    def ended(self) -> bool:
        """Whether all of the body has come and been taken."""
        return self.complete and not self._pieces

    @property
    def ready(self) -> bool:
        """Whether there is something to take, or there never will be."""
        return bool(self._pieces) or self.complete or self.fault is not None

    @property
    def lost(self) -> bool:
        """Whether the connection ended before the answer did."""
        return self.fault is not None and self.fault.fault == "reset"

    @property
    def decided(self) -> bool:
        """Whether the head has come, or never will."""
        return bool(self.status) or self.fault is not None

    @property
    def overfull(self) -> bool:
        """Whether more lies here than whoever reads is going to take at once."""
        return self._held > _HIGH_WATER and self._held >= self._enough

    def feed(self, data: bytes) -> None:
        """The connection's next bytes."""
        parser = self._parser
        if parser is None:
            return
        self.heard = True
        before = self._received
        try:
            parser.feed_data(data)
        except HttpParserCallbackError:
            raise  # a mistake of ours, below
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keeps = False  # and if the answer is complete it is good, whatever follows it
            self._refuse(f"the upstream's answer is not HTTP ({error})")
        if self._received != before:
            self._barren = 0
        else:
            # Heads, interim answers, trailers, chunk extensions: whatever brings no body forward has an end.
            self._barren += len(data)
            if self._barren > MAX_HEAD:
                self._refuse(f"the upstream sent more than {MAX_HEAD} bytes that are no answer")
        self._tell(progress=self._received != before)

    def lose(self, error: Exception | None) -> None:
        """The connection has ended, which some answers end with."""
        if self.complete or self.fault is not None:
            return
        if self._to_close and error is None:
            self.complete = True
            self._tell(progress=True)
            return
        where = "in" if self.status else "before"
        how = type(error).__name__ if error is not None else "closed"
        self.fail(broken("reset", f"the connection broke off {where} the answer ({how})"))

    def fail(self, fault: UpstreamError) -> None:
        """Ends the answer, unless it has ended."""
        if self.fault is None and not self.complete:
            self.fault = fault
            self._tell(progress=False)

    async def wait(self, enough: int) -> None:
        """Until the head and `enough` bytes of the body are there, the answer is complete or it is broken."""
        self._enough = enough
        try:
            while not (self.complete or self.fault is not None or (self.status and self._held >= enough)):
                await self.change()
        finally:
            self._enough = 0
            self._waiter = self.waiting_since = None

    def change(self) -> asyncio.Future[None]:
        """Done when there is reason to look again. Only one may wait at a time."""
        self._waiter = waiter = self._loop.create_future()
        self.waiting_since = self._loop.time()
        return waiter

    def wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        self.waiting_since = None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def take(self) -> bytes:
        """What has come of the body and was not taken yet."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held = 0
        return data

    def _tell(self, *, progress: bool) -> None:
        if self.complete or self.fault is not None:
            self._parser = None  # it and this object hold each other
            self.wake()
        elif self._waiter is not None:
            if self.status and self._held >= self._enough:
                self.wake()
            elif progress:
                self.waiting_since = self._loop.time()

    def _refuse(self, message: str) -> None:
        if self.fault is None and not self.complete:
            self.fault = broken("protocol", message)

    # What the parser calls. A second answer in the same bytes comes this way too, and is not let in.

    def on_message_begin(self) -> None:
        if self.complete:
            self.keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value)
        self._head_size += size + _PER_FIELD
        if size > MAX_FIELD or self._head_size > MAX_HEAD:
            self._refuse("the upstream's answer has too large a head")
        elif not self.status:  # else it is a trailer, which nobody here asks for
            name = name.lower()
            value = value.strip(b" \t")
            self.fields[name] = self.fields[name] + b", " + value if name in self.fields else value

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self.complete or self.fault is not None:
            return
        status = parser.get_status_code()
        if status < 200:
            if status == 101:
                self._refuse("the upstream switched to another protocol unasked")
            self.fields.clear()  # an interim answer; the final one follows
            return
        coding = self.fields.get(b"transfer-encoding")
        version = parser.get_http_version()
        if coding is not None and coding.lower() != b"chunked":
            self._refuse("the upstream's answer has a transfer encoding that was not asked for")
        elif version not in {"1.1", "1.0"}:
            self._refuse(f"the upstream answered with HTTP/{version}")
        else:
            self._to_close = coding is None and b"content-length" not in self.fields
            self.keeps = parser.should_keep_alive()
            self.status = status

    def on_body(self, body: bytes) -> None:
        if not self.complete and self.fault is None:
            self._pieces.append(body)
            self._held += len(body)
            self._received += len(body)

    def on_message_complete(self) -> None:
        if self.status and self.fault is None:
            self.complete = True
