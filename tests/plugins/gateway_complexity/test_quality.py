"""How the score orders real outcomes, where the sets are at hand; and that the measure measures."""

from pathlib import Path

import pytest

from bench.routing.apgr import Outcomes, apgr, read
from gateway_complexity import score_bodies

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "routing"


def outcomes(weak, strong):
    return Outcomes("made up", tuple({} for _ in weak), tuple(weak), tuple(strong))


def test_the_measure():
    # Of four requests one needs the strong model.
    made_up = outcomes([1, 1, 0, 1], [1, 1, 1, 1])
    assert apgr([1, 2, 9, 3], made_up) == 0.875  # found first: all but half a step is won
    assert apgr([2, 3, 1, 9], made_up) == 0.125  # found last
    assert apgr([5, 5, 5, 5], made_up) == 0.5  # no order at all is as good as chance
    with pytest.raises(ValueError, match="equally well"):
        apgr([1.0], outcomes([1], [1]))


@pytest.mark.skipif(not DATA.is_dir(), reason="the outcome sets are not at hand")
def test_the_score_is_better_than_chance_on_every_set_and_by_a_margin_over_all():
    worth = {}
    for whole in read(DATA):
        step = max(1, len(whole.requests) // 500)
        part = Outcomes(whole.name, whole.requests[::step], whole.weak[::step], whole.strong[::step])
        worth[part.name] = apgr(score_bodies(part.requests), part)
    assert min(worth.values()) >= 0.45, worth
    assert sum(worth.values()) / len(worth) >= 0.55, worth
