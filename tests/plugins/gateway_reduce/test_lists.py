from __future__ import annotations

import json
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce import ReduceSettings
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.lists import FIRST, LAST, shorten_lists
from gateway_reduce.marks import identify
from gateway_reduce.reduction import Reduction

ID = "0123456789ab"
BARE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
LISTS = st.lists(BARE, max_size=9).flatmap(
    lambda some: st.integers(0, 40).map(lambda times: some * times)  # long ones, quickly made
)
DOCUMENTS = st.recursive(
    BARE | LISTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def never(_: str) -> bool:
    return False


def optimized(body, *, recall=True):
    made = Reduction(ReduceSettings().rules).optimized(parts_of(body), recall=recall)
    return with_edits(body, made.edits)["messages"][-1]["content"], {kept.id: kept.text for kept in made.stash}


def test_a_long_list_keeps_its_ends_and_what_was_spoken_of(conversation):
    prices = [round(100 + at * 1.37, 2) for at in range(1500)]
    text = json.dumps({"symbol": "XYZ", "closes": prices, "note": "daily"})
    shorter, stash = optimized(conversation(text, question=f"When was it {prices[500]}?"))
    document = json.loads(shorter)
    assert document["symbol"] == "XYZ"
    assert document["note"] == "daily"
    assert document["closes"][:FIRST] == prices[:FIRST]
    assert document["closes"][-LAST:] == prices[-LAST:]
    assert prices[500] in document["closes"]
    marks = [item for item in document["closes"] if isinstance(item, str)]
    assert all(mark.endswith(f" of 1500 values; recall {identify(text)}]") for mark in marks)
    assert sum(int(mark.split()[2]) for mark in marks) + len(document["closes"]) - len(marks) == 1500
    assert stash == {identify(text): text}


def test_a_list_that_python_wrote_stays_one(conversation):
    names = [f"N{at * 7919 % 4001}" for at in range(1500)]
    shorter, stash = optimized(conversation(str(names)))
    assert shorter.startswith(str(names[:FIRST])[:-1])
    assert shorter.endswith(str(names[-LAST:])[1:])
    assert identify(str(names)) in stash


def test_short_documents_records_and_json_files_stay_whole(conversation):
    short = json.dumps(list(range(300)), separators=(",", ":"))
    records = json.dumps([[at, at + 1, {"a": at}] for at in range(900)], separators=(",", ":"))
    long = json.dumps(list(range(3000)), separators=(",", ":"))
    for text, command in ((short, "ls"), (records, "ls"), (long, "cat primes.json")):
        assert optimized(conversation(text, command=command))[0] == text


def test_without_recall_no_list_is_cut(conversation):
    text = json.dumps(list(range(5000)), separators=(",", ":"))
    assert optimized(conversation(text), recall=False)[0] == text


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.sampled_from(["plain", "blanks", "python"]))
def test_nothing_but_the_middle_of_lists_is_missing(value, form):
    text = {"plain": json.dumps(value), "blanks": json.dumps(value, indent=2), "python": repr(value)}[form]
    shorter = shorten_lists(text, ID, never)
    assert len(shorter) <= len(text)
    if shorter == text:
        return
    read = eval if form == "python" else json.loads  # what this test wrote itself
    for old, new in zip(_lists(value), _lists(read(shorter)), strict=True):
        at = next((at for at, item in enumerate(new) if isinstance(item, str) and ID in item), None)
        assert new[:at] == old[: len(new[:at])]
        if at is not None:
            assert new[at] == f"[left out: {len(old) - len(new) + 1} of {len(old)} values; recall {ID}]"
            assert new[at + 1 :] == old[len(old) - LAST :]


def _lists(value):
    """The lists of bare values in a document, in its order."""
    if isinstance(value, dict):
        return list(chain.from_iterable(map(_lists, value.values())))
    if not isinstance(value, list):
        return []
    inner = [item for item in value if isinstance(item, list | dict)]
    return [found for item in inner for found in _lists(item)] if inner else [value]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text("[]{}',0 ", max_size=60))
def test_any_other_text_stays(text):
    assert len(shorten_lists(text, ID, never)) <= len(text)
