"""What a conversation has shown so far: every visible line, and where it stands."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from gateway.api import Part
from gateway_reduce.excerpt import names_in
from gateway_reduce.numbered import SHORTEST_BARE, parted
from gateway_reduce.passages import SHORTEST_PROSE, letters, sentences
from gateway_reduce.reads import reads_source
from gateway_reduce.shapes import Shapes

SHORTEST_SEED = 4  # characters: braces and blank lines stand everywhere and say nothing about where a block begins
SHORTEST_TAILED = 200  # characters of a line whose end alone may be pointed to
TAIL = 48  # characters by which the end of a long line is found again
LATELY = 8  # texts of people and the model
NEAREST = 12  # places looked at for one line, the latest first


_PLAIN_NAME = re.compile(r"[\w.:|/+-]{1,100}")
_JSON_FILE = re.compile(r"\.(?:\w{0,8}json[5cl]?|ipynb|webmanifest)\b", re.IGNORECASE)
# A range of lines, or a command that shows some of them.
_NARROW = re.compile(
    r"\b(?:view_range|start_line|end_line|line_start|line_end|line_number|offset|limit|sed -n|head|tail|e?grep|rg)\b"
)
_SPEAKERS = {"system": "the system prompt", "user": "a user message", "assistant": "your own message"}


class History:
    """An index of lines that grows by one part at a time and is never changed otherwise."""

    def __init__(self) -> None:
        self.lines: list[str | None] = []  # `None` ends a source, so that no run of lines crosses into the next
        self.characters = 0
        self.last: dict[str, int] = {}  # the place where a line stood last
        self._earlier: dict[int, int] = {}  # for a place, where the same line stood before
        self._tails: dict[str, int] = {}
        self.numbered: dict[str, int] = {}  # the place where a line stood last with a number before it
        self._sentences: dict[int, int] = {}  # the hash of a sentence's letters -> the line it stands in
        self._starts: list[int] = []
        self._names: list[str] = []
        self._whole: dict[str, str] = {}
        self._ids: set[str] = set()
        self._json_files: set[str] = set()
        self._sources: set[str] = set()  # the calls that read source files
        self._narrow: set[str] = set()  # the calls that ask for something narrow
        self._said: list[str] = []  # by people and the model
        self.shapes = Shapes()
        self.closing: list[str] = []  # the last lines of the result before, pointers resolved
        self._message = -1

    def follow(self, part: Part) -> None:
        """Take note of which message comes next: only a message right before can be called the result before."""
        again = part.kind == "tool_result" and part.message == self._message
        if again or part.message > self._message + 1:
            self.closing = []
        self._message = part.message

    def open(self, name: str) -> None:
        """Begin a new source of lines; `name` is how a pointer speaks of it."""
        self.lines.append(None)
        self._starts.append(len(self.lines))
        self._names.append(name)

    def show(self, lines: Sequence[str]) -> None:
        """Add lines the model sees to the source opened last."""
        self.note(lines, len(self.lines))
        self.lines.extend(lines)

    def note(self, lines: Sequence[str], place: int) -> None:
        """Index lines that stand, or will stand, from `place` on."""
        last, earlier = self.last, self._earlier
        size = len(lines)
        for at, line in enumerate(lines, place):
            length = len(line)
            if length >= SHORTEST_SEED:
                size += length
                before = last.get(line)
                if before is not None:
                    earlier[at] = before
                last[line] = at
                if length >= SHORTEST_PROSE:
                    self._note_long(line, at)
        self.characters += size

    def note_numbered(self, place: int) -> None:
        """Index the lines from `place` on that carry a number by what stands behind it."""
        numbered = self.numbered
        for at, line in enumerate(self.lines[place:], place):
            if (known := parted(line)) and len(known[1]) >= SHORTEST_BARE:
                numbered[known[1]] = at

    def _note_long(self, line: str, place: int) -> None:
        if len(line) >= SHORTEST_TAILED:
            self._tails[line[-TAIL:]] = place
        for sentence in sentences(line):
            self._sentences[letters(sentence)] = place

    def hide(self) -> None:
        """Say that something stands here which no later line may be compared with."""
        self.lines.append(None)

    def places(self, line: str, most: int) -> list[int]:
        """Where the line stood before, the latest first."""
        found: list[int] = []
        place = self.last.get(line)
        while place is not None and len(found) < most:
            found.append(place)
            place = self._earlier.get(place)
        return found

    def same_tail(self, line: str) -> int | None:
        """Where the latest long line stood that ends as this one does."""
        return self._tails.get(line[-TAIL:]) if len(line) >= SHORTEST_TAILED else None

    def same_sentence(self, line: str) -> tuple[str, int] | None:
        """The first sentence of a line whose letters were shown before, and the place of the line they stand in."""
        for sentence in sentences(line):
            place = self._sentences.get(letters(sentence))
            if place is not None:
                return sentence, place
        return None

    def name_at(self, place: int) -> str:
        at = bisect_right(self._starts, place) - 1
        return "this result" if at == len(self._starts) - 1 else self._names[at]

    def name_of(self, part: Part) -> str:
        """How pointers speak of a part. A call id that stood before would point to two places: it is not used."""
        call_id, tool = _plain(part.call_id), _plain(part.tool)
        if part.kind == "tool_result":
            if call_id and call_id not in self._ids:
                return f"the result of {call_id}"
            return f"an earlier result of {tool or 'a tool'}"
        if part.kind == "tool_call":
            return f"the arguments of {call_id or tool or 'a call'}"
        return _SPEAKERS.get(part.role, "an earlier message")

    def place_of(self, part: Part) -> str:
        """How later results may speak of the keys a result shows; empty where no name leads to that result alone."""
        call_id = _plain(part.call_id)
        return f"the result of {call_id}" if call_id and call_id not in self._ids else ""

    def whole(self, text: str) -> str | None:
        """The name of the result that was exactly `text`."""
        return self._whole.get(text)

    def names(self) -> frozenset[str]:
        """The names that people and the model have spoken of so far."""
        return names_in(self._said)

    def said_lately(self) -> Callable[[str], bool]:
        """Whether people or the model have used a value of three characters or more, lately."""
        said = "\0".join(self._said[-LATELY:])
        return lambda value: len(value) > 2 and value in said

    def asked_narrowly(self, part: Part) -> bool:
        """Whether the call that a result answers asks for certain lines: who asks so and gets a pointer asks again."""
        return part.call_id in self._narrow

    def take_back(self, start: int) -> None:
        """Forget the lines from `start` on. Other indexes may still lead there; whoever follows them compares."""
        for place in range(len(self.lines) - 1, start - 1, -1):
            line = self.lines.pop()
            if line is None:
                continue
            before = self._earlier.pop(place, None)
            if self.last.get(line) == place:
                if before is None:
                    del self.last[line]
                else:
                    self.last[line] = before

    def is_json_file(self, part: Part) -> bool:
        """Whether the call that a result answers names a JSON file: the model may want to edit it as it stands."""
        return part.call_id in self._json_files

    def is_source(self, part: Part) -> bool:
        """Whether a result is a source file that a call reads: nothing may be left out of it."""
        return part.call_id in self._sources

    def remember(self, part: Part, name: str, *texts: str) -> None:
        """Note a result under the texts it had, as sent and as cleaned, for repeats of the whole."""
        for text in texts:
            self._whole.setdefault(text, name)
        if part.call_id:
            self._ids.add(part.call_id)

    def read(self, part: Part) -> None:
        """Index a part that is not rewritten: prompts, the model's own words, the arguments of its calls."""
        self._said.append(part.text)
        texts = [part.text]
        if part.kind == "tool_call":
            texts = _argument_texts(part.text)
            if part.call_id and _JSON_FILE.search(part.text):
                self._json_files.add(part.call_id)
            if part.call_id and reads_source(part.tool, part.text):
                self._sources.add(part.call_id)
            if part.call_id and _NARROW.search(part.text):
                self._narrow.add(part.call_id)
        for text in texts:
            self.open(self.name_of(part))
            self.show(text.split("\n"))


def _plain(name: str | None) -> str | None:
    """A name that can stand in a pointer without breaking it; any other is as good as none."""
    return name if name and _PLAIN_NAME.fullmatch(name) else None


def _argument_texts(arguments: str) -> list[str]:
    """The strings of several lines inside a call's JSON arguments: a file written, a patch, a script."""
    if "\\n" not in arguments:
        return []
    try:
        todo: list[Any] = [json.loads(arguments)]
    except (ValueError, RecursionError):
        return []
    texts: list[str] = []
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            if "\n" in value:
                texts.append(value)
        elif isinstance(value, dict):
            todo.extend(reversed(value.values()))
        elif isinstance(value, list):
            todo.extend(reversed(value))
    return texts
