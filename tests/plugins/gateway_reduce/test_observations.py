"""Agents without tool calls carry results as user text. Rewriting those is off unless asked for."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from gateway.cast import check_edits
from gateway.wire import chat
from gateway_reduce import Reduce, ReduceSettings
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.marks import identify
from gateway_reduce.observations import framed
from gateway_reduce.reduction import Reduction

LOG = "\n".join(
    f"2026-03-01 10:{at // 60:02}:{at % 60:02} INFO worker-{at % 7} took job {at * 31} from the queue"
    for at in range(200)
)
FRAMES = [
    "Observation:\n{}",
    "Call id: call_3\nObservation:\n{}",
    "OBSERVATION:\n{}",
    "<returncode>0</returncode>\n<output>\n{}\n</output>",
    "[execute_command for 'tail app.log'] Result:\n{}",
    "EXECUTION RESULT of [bash]:\n{}",
]


def conversation(*texts: str):
    messages = [{"role": "user", "content": "Find out why."}]
    for text in texts:
        messages += [{"role": "assistant", "content": "I look."}, {"role": "user", "content": text}]
    return {"messages": messages, "model": "m"}


def optimized(body, *, on=True, recall=True):
    reduction = Reduction(ReduceSettings(observations=on).rules)
    made = reduction.optimized(parts_of(body), recall=recall)
    return with_edits(body, made.edits)["messages"], made


@pytest.mark.parametrize("frame", FRAMES)
def test_what_stands_in_a_frame_is_a_result_and_the_frame_stays(frame):
    messages, made = optimized(conversation(frame.format(LOG)))
    before, after = frame.split("{}")
    text = messages[-1]["content"]
    assert text.startswith(before + LOG[:60])
    assert text.endswith(after)
    assert len(text) < 0.2 * len(LOG)
    assert f"[recall {identify(LOG)} shows" in text
    assert [kept.text for kept in made.stash] == [LOG]
    request = chat.parse(json.dumps(conversation(frame.format(LOG))).encode(), {})
    check_edits(request, made.edits)  # the last user message, and the core lets it pass


@pytest.mark.parametrize("frame", FRAMES)
def test_off_it_stays_as_it_is(frame):
    body = conversation(frame.format(LOG))
    assert optimized(body, on=False)[0] == body["messages"]


@pytest.mark.parametrize(
    "text", [LOG, f"Look at this: Observation:\n{LOG}", f"<output>\n{LOG}\n</output>", "Observation: short"]
)
def test_other_words_of_the_user_stay(text):
    body = conversation(text)
    assert framed(text) is None
    assert optimized(body)[0] == body["messages"]


def test_repeats_point_back_and_later_turns_change_nothing():
    page = "\n".join(f"paragraph {at} of the page says {at * at}" for at in range(60))
    body = conversation(*(f"Observation:\n{page}" for _ in range(2)), "Observation:\n" + LOG, "And now?")
    whole, _ = optimized(body)
    assert whole[4]["content"].startswith("Observation:\n[above: ")
    for upto in (3, 5, 7):
        assert optimized({"messages": body["messages"][:upto]})[0] == whole[:upto]


async def test_the_plugin_takes_the_switch():
    plugin = Reduce(None, ReduceSettings(observations=True))  # type: ignore[arg-type]  # it asks its host for nothing
    request = chat.parse(json.dumps(conversation(f"Observation:\n{LOG}")).encode(), {})
    (edit,) = plugin.optimize(request, SimpleNamespace(recall=False, cold_at=0)).edits  # type: ignore[arg-type]
    assert edit.observed
