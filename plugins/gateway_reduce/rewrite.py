"""What becomes of one text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gateway.api import Edit, Part


@dataclass(frozen=True)
class Rewrite:
    """The new text of a part (`None`: it stays), the tokens that each transform took, in their order, and the id under
    which the whole can be asked for where something of it was left out (empty: nothing was, or nobody can ask).
    `observed`: see `Edit`."""

    text: str | None = None
    cuts: tuple[tuple[str, int], ...] = ()
    left_out: str = ""
    observed: bool = False

    @cached_property
    def removed(self) -> int:
        """Tokens."""
        return sum(tokens for _, tokens in self.cuts)

    def edit(self, part: Part) -> Edit:
        """The edit of a part whose text does not stay."""
        assert self.text is not None  # noqa: S101  # asked for changed parts only
        names = "+".join(name for name, _ in self.cuts)
        split = tuple(tokens for _, tokens in self.cuts)
        return Edit(part.path, self.text, names, part.message, self.removed, split, observed=self.observed)


UNTOUCHED = Rewrite()
