from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce import ReduceSettings
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.excerpt import FIRST, LAST, excerpt, names_in
from gateway_reduce.marks import identify
from gateway_reduce.reduction import Reduction

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty", "knoll", "larch"]


def output(count: int = 400) -> str:
    """What a command wrote in colours, no two lines alike."""
    lines = [f"\x1b[32m{WORDS[at % 12]} {WORDS[at * 5 % 7]}: {'x' * (at % 13)} step {at}\x1b[0m" for at in range(count)]
    lines[150] = "\x1b[31mERROR: the grove collapsed\x1b[0m"
    lines[222] = "linked libfjord_core.so.7 at last"
    return "\n".join(lines)


def optimized(body, *, recall=True):
    made = Reduction(ReduceSettings().rules).optimized(parts_of(body), recall=recall)
    return with_edits(body, made.edits)["messages"][-1]["content"], {kept.id: kept.text for kept in made.stash}


def test_long_output_keeps_its_ends_what_is_loud_and_what_was_spoken_of(conversation):
    text = output()
    body = conversation(text, command="make libfjord_core.so.7")
    shorter, stash = optimized(body)
    lines = shorter.split("\n")
    plain = text.replace("\x1b[32m", "").replace("\x1b[0m", "").split("\n")
    assert lines[:FIRST] == plain[:FIRST]
    assert lines[-LAST:] == plain[-LAST:]
    assert any("the grove collapsed" in line for line in lines)
    assert "linked libfjord_core.so.7 at last" in lines
    assert plain[221] in lines, "with the lines around it"
    assert len(shorter) < 0.3 * len(text)
    assert stash == {identify(text): text}


def test_without_recall_nothing_is_left_out(conversation):
    shorter, stash = optimized(conversation(output()), recall=False)
    assert shorter.count("\n") == output().count("\n")
    assert stash == {}


def test_plain_text_and_short_output_stay_whole(conversation):
    plain = output().replace("\x1b[32m", "").replace("\x1b[0m", "").replace("\x1b[31m", "")
    assert optimized(conversation(plain))[0] == plain
    short = "\n".join(output().split("\n")[:60])
    assert optimized(conversation(short))[0].count("\n") == 59


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=120).map("\n".join), st.text(max_size=60))
def test_an_excerpt_is_made_of_whole_lines_and_says_how_many_are_gone(text, spoken):
    shorter = excerpt(text, "0123456789ab", names_in([spoken]))
    assert len(shorter) <= len(text)
    kept, gone = [], 0
    for line in shorter.split("\n"):
        if line.endswith("; recall 0123456789ab]"):
            gone += int(line.split()[2])
        else:
            kept.append(line)
    if shorter != text:
        remaining = iter(text.split("\n"))
        assert all(line in remaining for line in kept), "in their order"
        assert len(kept) + gone == text.count("\n") + 1
