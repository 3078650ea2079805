"""What is done to one text by itself, in its order, and how much it was worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway_reduce import diffs, frames, listing, runs, templates
from gateway_reduce.blobs import drop_base64
from gateway_reduce.terminal import clean


@dataclass(frozen=True, slots=True)
class Step:
    """A transform of lines. `lossy`: it leaves something out that can be read nowhere else, and says so in place."""

    name: str
    apply: Callable[[str], str]
    lossy: bool


# Templates first: what looks like a listing or a diff may be a log. Diffs before the terminal's cleaning, which takes
# the only blank of an empty context line. Runs and frames after it: colours hide them.
LINE_STEPS = (
    Step("templates", templates.fold, lossy=True),
    Step("diffs", diffs.narrow, lossy=True),
    Step("terminal", clean, lossy=False),
    Step("runs", runs.fold, lossy=True),
    Step("frames", frames.fold, lossy=True),
    Step("listing", listing.shorten, lossy=True),
    Step("base64", drop_base64, lossy=False),
)
LOSSY = frozenset(step.name for step in LINE_STEPS if step.lossy)

CLEAR = 0.05  # the least share of the text that lossy steps have to take
CLEAR_CHARACTERS = 160  # and the least number of characters: a mark and a recall line take fifty


@dataclass(slots=True)
class Worked:
    """A text on its way through the steps, with the characters that each of them took."""

    text: str
    took: dict[str, int]

    @property
    def lossy(self) -> bool:
        return not LOSSY.isdisjoint(self.took)

    def apply(self, name: str, transform: Callable[[str], str]) -> None:
        after = transform(self.text)
        if after != self.text:
            self.took[name] = self.took.get(name, 0) + len(self.text) - len(after)
            self.text = after


def through_lines(text: str, steps: Iterable[Step]) -> Worked:
    """A text after the steps. Where the lossy ones take too little to be worth their loss, after the others alone."""
    steps = tuple(steps)
    worked = _through(text, steps)
    if worked.lossy:
        lost = sum(taken for name, taken in worked.took.items() if name in LOSSY)
        if lost < max(CLEAR_CHARACTERS, CLEAR * len(text)):
            return _through(text, tuple(step for step in steps if not step.lossy))
    return worked


def _through(text: str, steps: tuple[Step, ...]) -> Worked:
    worked = Worked(text, {})
    for step in steps:
        worked.apply(step.name, step.apply)
    return worked


def shared_out(removed: int, took: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """Tokens that went in all, as the cuts of the steps: in the ratio of the characters that each took."""
    taken = {name: max(1, characters) for name, characters in took.items()}
    whole, left = sum(taken.values()), removed
    cuts = []
    for name, characters in taken.items():
        cuts.append((name, min(left, round(removed * characters / whole))))
        left -= cuts[-1][1]
    if cuts:
        cuts[-1] = (cuts[-1][0], cuts[-1][1] + left)
    return tuple(cuts)
