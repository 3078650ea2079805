"""Lines and results that the conversation has shown before become pointers to where they stand.

A pointer to lines leads to lines the model can see, never to another pointer, and says how many they are and
either their own line numbers or the words they begin with.
"""

from __future__ import annotations

import re

import orjson

from gateway_reduce.history import NEAREST, SHORTEST_SEED, SHORTEST_TAILED, History
from gateway_reduce.marks import POINTER
from gateway_reduce.numbered import LEAST_LINES, NUMBER, SHORTEST_BARE, numbers, parted, same_lines
from gateway_reduce.passages import SHORTEST_PROSE, paragraph, shared_run
from gateway_reduce.tokens import Tokens

LEAST_CHARACTERS = 60  # of a run of lines, before its tokens are counted at all
LEAST_GAIN = 16  # tokens a pointer has to save
ANCHOR = 32  # characters quoted of the first line
LONGEST_CLOSING = 12  # lines
NARROW_LINES, NARROW_LEFT = (
    40,
    0.2,
)  # of an answer to a narrow question, and the share that has to be more than pointers
MOST_ALONE = 10_000  # lines of one result that are looked for in all their places without a block
MOST_IN_VAIN = 100  # passages of one result that are compared without being the same

_FIXED = "\n"  # stands for a line that may not be replaced; no line is equal to it
_CLOSING_MARK = re.compile(r"\[above: the same \d+ closing lines as the result before\]")
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def same_result(history: History, tokens: Tokens, text: str) -> tuple[str, int] | None:
    """A pointer for a result that was there before, word for word, and the tokens it saves."""
    name = history.whole(text)
    if name is None or is_mark(text):
        return None
    mark = f"[above: the same as {name}{_beginning(text)}]"
    gain = tokens.removed(text, mark)
    return (mark, gain) if gain >= LEAST_GAIN else None


def is_mark(line: str) -> bool:
    """Whether a line is a pointer or holds one."""
    return POINTER in line


def closing_lines(text: str) -> list[str]:
    return text.split("\n")[-LONGEST_CLOSING:]


class Pointing:
    """Rewrites one result line by line, showing the history what stays visible.

    The lines of a text inside a JSON document are read through its escapes, so that a file shown both ways is
    known again; what stands next to the document's own punctuation is never replaced, and it remains JSON.
    """

    def __init__(self, history: History, tokens: Tokens, text: str) -> None:
        self._history = history
        self._tokens = tokens
        self._quoted = _holds_lines(text)
        self._break = "\\n" if self._quoted else "\n"
        self._written = text.split(self._break)
        self._lines = self._written
        if POINTER in text:
            self._lines = [_FIXED if is_mark(line) else line for line in self._written]
        if self._quoted:
            self._lines = [_unescaped(line) for line in self._lines]
            self._lines[0] = self._lines[-1] = _FIXED
        self._end = len(self._lines)  # where the closing lines begin that the result before has too
        self._out: list[str] = []
        self._in_vain = 0
        self._alone = 0  # lines that stood before, but never next to the same line
        self._numbers = numbers(self._lines)
        self._otherwise = self._shown_otherwise()  # the lines shown before but for a number, and where
        self.removed = 0

    def rewrite_unless_gone(self) -> str:
        """As `rewrite`, but a short text of which hardly more than pointers would be left stays whole."""
        begun = len(self._history.lines)
        text = self.rewrite()
        left = sum(len(line) for line in self._out if not is_mark(line))
        if len(self._lines) > NARROW_LINES or left > NARROW_LEFT * sum(map(len, self._written)) or not self.removed:
            return text
        self._history.take_back(begun)
        for line in self._lines:
            if line == _FIXED:
                self._history.hide()
            else:
                self._history.show([line])
        self.removed = 0
        return self._break.join(self._written)

    def rewrite(self) -> str:
        """The text with pointers in place of repeats; `removed` then holds the tokens saved."""
        lines = self._lines
        self._end = len(lines) - self._shared_closing()
        begun, at = len(self._history.lines), 0
        while (at := self._new_lines(at)) < self._end:
            if lines[at] == _FIXED:
                at += self._point(1, self._written[at])
            else:
                at += self._same_line(at) or self._block(at) or self._renumbered(at) or self._long_line(at)
        if at < len(lines):
            self._replace(at, len(lines) - at, _closing_mark(len(lines) - at))
        if self._numbers:
            self._history.note_numbered(begun)
        if not _CLOSING_MARK.fullmatch(self._written[-1]):
            self._history.closing = lines[-LONGEST_CLOSING:]
        return self._break.join(self._out)

    def _new_lines(self, at: int) -> int:
        """Keep the lines from `at` on that are plainly new, and say where that ends. Most lines are, so this is short:
        it stops at a line that stood before, a long one, a fixed one, and one that stands twice."""
        lines, end, start = self._lines, self._end, at
        last, otherwise = self._history.last, self._otherwise
        ahead = len(self._history.lines) - at
        before = None
        while at < end:
            line = lines[at]
            length = len(line)
            if length < SHORTEST_SEED:
                if line == _FIXED or (line == before and line):
                    break
            elif length >= SHORTEST_PROSE or line in last or at in otherwise:
                break
            else:
                last[line] = at + ahead
            before = line
            at += 1
        if at > start:
            new = lines[start:at]
            self._history.lines += new
            self._history.characters += sum(map(len, new)) + len(new)
            self._out += self._written[start:at]
        return at

    def _keep(self, at: int, count: int) -> int:
        self._out += self._written[at : at + count]
        self._history.show(self._lines[at : at + count])
        return count

    def _point(self, count: int, mark: str) -> int:
        self._out.append(mark)
        self._history.hide()
        return count

    def _gain(self, at: int, count: int, mark: str) -> int:
        gone = self._break.join(self._written[at : at + count])
        return self._tokens.removed(gone, mark)

    def _replace(self, at: int, count: int, mark: str) -> int:
        """Put `mark` in the place of `count` lines if that saves enough, else keep them."""
        gain = self._gain(at, count, mark)
        if gain < LEAST_GAIN:
            return self._keep(at, count)
        self.removed += gain
        return self._point(count, mark)

    def _shared_closing(self) -> int:
        """How many lines at the end are those of the result before, if saying so saves enough."""
        lines, before = self._lines, self._history.closing
        most = min(len(lines), len(before))
        count = 0
        while count < most and lines[-1 - count] == before[-1 - count] and lines[-1 - count] != _FIXED:
            count += 1
        worth = count and self._gain(len(lines) - count, count, _closing_mark(count)) >= LEAST_GAIN
        return count if worth else 0

    def _same_line(self, at: int) -> int:
        """Collapse a line that stands many times in a row; 0 where it does not."""
        line, upto = self._lines[at], at + 1
        while upto < self._end and self._lines[upto] == line:
            upto += 1
        kept = 0 if at and self._history.lines[-1] == line else 1  # the line before may be the first of them
        times = upto - at - kept
        if times < 2 or times * (len(line) + 1) < LEAST_CHARACTERS:
            return 0
        self._keep(at, kept)
        return kept + self._replace(at + kept, times, f"[above: that line {times} times more]")

    def _block(self, at: int) -> int:
        """Replace the longest run of lines from `at` on that was shown before; 0 where none is long enough."""
        lines, shown, end = self._lines, self._history.lines, len(self._lines)
        if len(lines[at]) < SHORTEST_SEED:
            return 0
        best = start = 0
        least = int(len(lines[at]) + 1 < LEAST_CHARACTERS)  # a short line is nothing without the next one
        for place in self._history.places(lines[at], NEAREST if self._alone < MOST_ALONE else 1):
            agreed = best or least
            if agreed and (
                place + agreed >= len(shown) or at + agreed >= end or shown[place + agreed] != lines[at + agreed]
            ):
                continue  # it differs where the best so far still agreed: it cannot be longer
            most = min(end - at, len(shown) - place)
            count = 1
            while count < most and shown[place + count] == lines[at + count]:
                count += 1
            if count > best:
                best, start = count, place
        if not best:
            self._alone += 1
            return 0
        if at + best == end and self._gain(at, best, self._block_mark(at, best, start)) >= LEAST_GAIN:
            self._end = end  # the block takes the closing lines along
        best = min(best, self._end - at)
        if sum(map(len, lines[at : at + best])) + best < LEAST_CHARACTERS:
            return 0
        return self._replace(at, best, self._block_mark(at, best, start))

    def _block_mark(self, at: int, count: int, place: int) -> str:
        where = self._history.name_at(place)
        end = at + count - 1 - (count > 1 and not self._lines[at + count - 1])  # a text ends in an empty line
        first, last = NUMBER.match(self._lines[at]), NUMBER.match(self._lines[end])
        # A single `7|` or `7:` may be the id of a row; numbers that run on with the lines are numbers of lines.
        if first and last and int(last[1]) - int(first[1]) == end - at and (end > at or first[0][-1] in "\t→"):
            return f"[above: lines {first[1]}-{last[1]} as in {where}]"
        lines = "this line" if count == 1 else f"{count} lines"
        return f"[above: {lines} as in {where}{self._from(self._lines[at])}]"

    def _shown_otherwise(self) -> dict[int, int]:
        last, numbered = self._history.last, self._history.numbered
        found = {at: numbered[line] for at, line in enumerate(self._lines) if line in numbered} if numbered else {}
        for at, (_, text) in self._numbers.items():
            if len(text) >= SHORTEST_BARE and text in last:
                found[at] = last[text]
        return found

    def _renumbered(self, at: int) -> int:
        """Replace lines that were shown before but for the numbers before them."""
        lines, shown, place = self._lines, self._history.lines, self._otherwise.get(at)
        if place is None:
            return 0
        name = self._history.name_at(place)
        if there := parted(shown[place]):
            count = min(same_lines(lines, at, shown, place), self._end - at)
            where = f"{count} lines as lines {there[0]}-{there[0] + count - 1} in {name}, without the numbers"
        elif here := self._numbers.get(at):
            count = min(same_lines(shown, place, lines, at), self._end - at)
            where = f"lines {here[0]}-{here[0] + count - 1} as in {name}, there without numbers"
            where += self._from(shown[place] or "")
        else:
            return 0
        return self._replace(at, count, f"[above: {where}]") if count >= LEAST_LINES else 0

    def _long_line(self, at: int) -> int:
        return self._tail(at) or self._passage(at) or self._keep(at, 1)

    def _tail(self, at: int) -> int:
        """Replace the end of a long line that ends as an earlier one does, the beginnings being different."""
        line = self._lines[at]
        place = None if self._quoted else self._history.same_tail(line)
        before = self._history.lines[place] if place is not None else None
        if before is None or place is None:
            return 0
        shared = _shared_tail(line, before)
        if shared < SHORTEST_TAILED // 2:
            return 0
        kept = line[: len(line) - shared]
        mark = f"[above: this line goes on as in {self._history.name_at(place)}{self._from(before)}]"
        gain = self._tokens.count(line) - self._tokens.count(kept + mark)
        if gain < LEAST_GAIN:
            return 0
        self.removed += gain
        return self._point(1, kept + mark)

    def _passage(self, at: int) -> int:
        """Replace prose that was shown before in other lines or under another heading."""
        line = self._lines[at]
        if self._quoted or len(line) < SHORTEST_PROSE or line in self._history.last or self._in_vain >= MOST_IN_VAIN:
            return 0
        found = self._history.same_sentence(line)
        if found is None:
            return 0
        sentence, place = found
        self._in_vain += 1
        run = shared_run(paragraph(self._lines, at), sentence, self._history.lines, place)
        if run is None:
            return 0
        after = f"{run.before}[above: on as in {self._history.name_at(place)} {run.where}]{run.behind}"
        gain = self._gain(at, run.lines, after)
        if gain < LEAST_GAIN:
            return 0
        self._in_vain -= 1
        self.removed += gain
        return self._point(run.lines, after)

    def _from(self, line: str) -> str:
        """The words a place begins with; inside a JSON document only as far as nothing has to be escaped."""
        return _beginning(_ESCAPED.split(line, maxsplit=1)[0], "'") if self._quoted else _beginning(line)


def _holds_lines(text: str) -> bool:
    """Whether a text is a JSON document of one line with lines of text inside."""
    if text[:1] not in ("{", "[") or "\\n" not in text or "\n" in text.rstrip():
        return False
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _unescaped(line: str) -> str:
    """A line of text inside a JSON document as it reads; fixed where the document's own punctuation stands in it."""
    if "\\" not in line:
        return _FIXED if '"' in line else line
    try:
        return str(orjson.loads(f'"{line}"'))
    except ValueError:
        return _FIXED


def _shared_tail(line: str, before: str) -> int:
    """Characters at the end of `line` that are the end of `before` too, from the border of a word on."""
    low, high = 0, min(len(line), len(before))
    while low < high:
        middle = (low + high + 1) // 2
        if line.endswith(before[-middle:]):
            low = middle
        else:
            high = middle - 1
    start = len(line) - low
    border = line.find(" ", start)
    return len(line) - border - 1 if 0 <= border < start + ANCHOR else 0


def _closing_mark(count: int) -> str:
    return f"[above: the same {count} closing lines as the result before]"


def _beginning(text: str, quote: str = '"') -> str:
    """Words by which to find the place again, where a text has any."""
    words = text[: 4 * ANCHOR].strip().split("\n", 1)[0][:ANCHOR].strip()
    return f", beginning {quote}{words}{quote}" if words else ""
