"""An upstream that answers chat completions with as little work as possible: one asyncio protocol, no HTTP library.

`python -m bench.overhead.upstream PORT`. Streams ten chunks where the body asks for a stream.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

_WORDS = ("the", "build", "passes", "after", "this", "change", "because", "limits", "hold", "again")
_USAGE = '"usage":{"prompt_tokens":900,"completion_tokens":40,"total_tokens":940}'


def _answer(number: int) -> bytes:
    text = " ".join(_WORDS[(number * 7 + i * 3) % 10] for i in range(40))
    body = (
        f'{{"id":"chatcmpl-{number}","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":'
        f'{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],{_USAGE}}}'
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _stream(number: int) -> bytes:
    head = f'data: {{"id":"chatcmpl-{number}","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    events = [
        f'{head}[{{"index":0,"delta":{{"content":"{_WORDS[(number + i) % 10]} "}},"finish_reason":null}}]}}\n\n'
        for i in range(10)
    ]
    events.append(f'{head}[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\n\n')
    events.append(f"{head}[],{_USAGE}}}\n\n")
    events.append("data: [DONE]\n\n")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(e), e.encode()) for e in events)
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%s0\r\n\r\n" % chunks
    )


_ANSWERS = [_answer(n) for n in range(32)]
_STREAMS = [_stream(n) for n in range(32)]


class Upstream(asyncio.Protocol):
    """One connection: reads a head and a body of stated length, writes an answer made beforehand."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = bytearray()
        self.count = 0

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.count += 1
            streams = b'"stream":true' in body or b'"stream": true' in body
            self.transport.write((_STREAMS if streams else _ANSWERS)[self.count % 32])


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
