"""Frames of libraries inside a stack trace give way to their count.

What stays: the error and its causes, every frame of the program's own code, and of each trace the first and the last
frame, so that it still shows where it began and where it broke.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway_reduce.marks import LEFT_OUT

NOUN = "frames of libraries"  # a text that has it was here before
LEAST_GONE = 2  # frames
SHORTEST_GONE = 120  # characters
SEEN = 400  # characters of a line by which it is judged
LONGEST_FRAME = 6  # lines: a frame's place, its code, and the signs under it

_PYTHON = re.compile(r'([ |]*)File "([^"]+)", line \d')
_AT = re.compile(r"\s+at (?:async )?(?:[\w.@-]*/{1,2})?([\w$.<>`]+)[\[(]")  # Java and its kin, .NET
_NODE = re.compile(r"\s+at .*?(?:\(|^|\s)(?:file://)?((?:node:|/|[A-Za-z]:\\)[^()]*):\d+:\d+\)?$")
_NODE_NATIVE = re.compile(r"\s+at .*\((?:<anonymous>|index \d+|native)\)$")
_GO_PLACE = re.compile(r"\t(\S+\.(?:go|s)):\d")
_RUST = re.compile(r"\s*\d+: +(?:0x[0-9a-f]+ - )?(\S.*)$")
_RUST_PLACE = re.compile(r"\s+at (\S+):\d")

_LIBRARY_FILE = re.compile(
    r"site-packages/|dist-packages/|/lib/python\d|\\lib\\|^<frozen |/node_modules/|^node:|/go/src/|/go/pkg/mod/"
    r"|^/rustc/|/\.cargo/registry/|/rustlib/",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|System|Microsoft)\.")
_LIBRARY = re.compile(
    r"(?:org\.(?:springframework|apache|hibernate|junit|eclipse|jboss|mockito|gradle|codehaus|aspectj|glassfish|mortbay"
    r"|slf4j|postgresql|assertj)|io\.(?:netty|undertow|micronaut|quarkus|vertx|reactivex|grpc)|reactor"
    r"|com\.(?:zaxxer|fasterxml|google|mysql|intellij|android)|ch\.qos|android|androidx|dalvik|akka|play|okhttp3|retrofit2"
    r"|Xunit|NUnit|Newtonsoft)\."
)
_RUST_LIBRARY = re.compile(
    r"<?(?:(?:&|dyn |mut )*)(?:std|core|alloc|tokio|hyper)::|rust_begin_unwind|__|_start$|main$|_main$"
)


@dataclass(slots=True)
class _Frame:
    start: int
    end: int
    library: bool
    name: str = ""  # the class and method, where a trace is known by these


def fold(text: str) -> str:
    """A text with the library frames of its stack traces left out; any other text as it is."""
    if "\n" not in text or NOUN in text:
        return text
    readers = list(dict.fromkeys(reader for sign, reader in _READERS if sign in text))
    if not readers:
        return text
    lines = text.split("\n")
    out: list[str] = []
    done = 0
    for trace in _traces(lines, readers):
        for run in _droppable(trace):
            start, end = run[0].start, run[-1].end
            gone = lines[start:end]
            if sum(map(len, gone)) < SHORTEST_GONE:
                continue
            indent = gone[0][: len(gone[0]) - len(gone[0].lstrip())]
            out += [*lines[done:start], f"{indent}{LEFT_OUT}{len(run)} {NOUN}]"]
            done = end
    return "\n".join([*out, *lines[done:]]) if done else text


def _traces(lines: list[str], readers: list[_Reader]) -> Iterator[list[_Frame]]:
    """The frames that follow one another without a break, of each stack trace."""
    trace: list[_Frame] = []
    at = 0
    while at < len(lines):
        frame = None
        for reader in readers:
            frame = reader(lines, at)
            if frame is not None:
                break
        if frame is not None:
            trace.append(frame)
            at = frame.end
            continue
        if trace:
            yield trace
            trace = []
        at += 1
    if trace:
        yield trace


def _droppable(trace: list[_Frame]) -> Iterator[list[_Frame]]:
    """Runs of library frames between the first and the last frame of a trace."""
    own = next((_package(frame.name) for frame in trace if frame.name and not _LANGUAGE.match(frame.name)), None)
    run: list[_Frame] = []
    for frame in trace[1:-1]:
        if frame.library and (own is None or _package(frame.name) != own):
            run.append(frame)
            continue
        if len(run) >= LEAST_GONE:
            yield run
        run = []
    if len(run) >= LEAST_GONE:
        yield run


def _package(name: str) -> str:
    return ".".join(name.split(".")[:3])


def _python(lines: list[str], at: int) -> _Frame | None:
    found = _PYTHON.match(lines[at]) if 'File "' in lines[at] else None
    if found is None:
        return None
    inner = found[1] + "  "
    end = at + 1
    while end < min(len(lines), at + LONGEST_FRAME) and lines[end].startswith(inner):
        end += 1
    return _Frame(at, end, _LIBRARY_FILE.search(found[2]) is not None)


def _at(lines: list[str], at: int) -> _Frame | None:
    line = lines[at][:SEEN]
    if not line.lstrip().startswith("at "):
        return None
    place = _NODE.match(line)
    if place is not None:
        return _Frame(at, at + 1, _LIBRARY_FILE.search(place[1]) is not None)
    if _NODE_NATIVE.match(line):
        return _Frame(at, at + 1, library=True)
    named = _AT.match(line)
    if named is None:
        return None
    library = _LANGUAGE.match(named[1]) or _LIBRARY.match(named[1])
    return _Frame(at, at + 1, library is not None, named[1])


def _go(lines: list[str], at: int) -> _Frame | None:
    if at + 1 == len(lines) or lines[at][:1] in ("", "\t", " "):
        return None
    place = _GO_PLACE.match(lines[at + 1])
    return _Frame(at, at + 2, _LIBRARY_FILE.search(place[1]) is not None) if place is not None else None


def _rust(lines: list[str], at: int) -> _Frame | None:
    named = _RUST.match(lines[at][:SEEN])
    if named is None:
        return None
    place = _RUST_PLACE.match(lines[at + 1][:SEEN]) if at + 1 < len(lines) else None
    library = _RUST_LIBRARY.match(named[1]) or (place is not None and _LIBRARY_FILE.search(place[1]))
    return _Frame(at, at + 1 + (place is not None), bool(library))


_Reader = Callable[[list[str], int], _Frame | None]
_READERS: tuple[tuple[str, _Reader], ...] = (
    ('\n  File "', _python),
    ("  at ", _at),
    ("\tat ", _at),
    ("goroutine ", _go),
    ("stack backtrace:", _rust),
)
