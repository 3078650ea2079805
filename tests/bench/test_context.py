"""The context bench: what it counts as a needle, what it calls a fault, and the sessions it makes up."""

import copy
import json

import pytest

from bench.context.anthropic import as_chat
from bench.context.billing import providers
from bench.context.generated import generated
from bench.context.model import recall_for, recalled, texts_by_id
from bench.context.needles import log_facts, look_up, needles
from bench.context.optimizers import Plugin, Sent
from bench.context.over_http import OverHttp
from bench.context.prompt import prompt_of
from bench.context.replay import Bench, Figures, Pace
from bench.context.report import Report
from bench.context.traces import Session, Turn
from bench.context.validity import broken
from gateway_reduce.marks import identify, recall_line


def called(text: str, *more: dict) -> dict:
    call = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls src/old.py"}'}}
    messages = [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": "Where is it? Not in ticket-77."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": text},
    ]
    return {"model": "any", "messages": [*messages, *more]}


def said(text: str) -> dict:
    return {"role": "assistant", "content": text}


def test_a_needle_is_copied_from_a_result_and_from_nowhere_else():
    body = called("lib/new.py:41 ticket-77 plain src/old.py\n  return limit if limit else none\n")
    answer = said(
        "It is in lib/new.py:41, not src/old.py, see ticket-77 and plain words:\nreturn limit if limit else none"
    )
    assert needles(Turn(body, answer)) == {"lib/new.py:41", "return limit if limit else none"}
    assert needles(Turn(body, None, ("stated",))) == {"stated"}


def test_what_a_call_copies_is_a_needle_too():
    function = {"name": "read", "arguments": json.dumps({"where": {"path": ["lib/new.py"]}})}
    answer = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c2", "type": "function", "function": function}],
    }
    assert needles(Turn(called("lib/new.py"), answer)) == {"lib/new.py"}


def test_a_needle_is_kept_needs_a_recall_or_is_lost():
    before = called('key-1 key-2 "quoted-3"')
    whole = before["messages"][3]["content"]
    without_a_way = called('key-1 \\"quoted-3\\"')
    behind_an_id = called(f"key-1\n{recall_line(identify(whole))}")
    wanted = ["key-1", "key-2", '"quoted-3"']
    assert look_up(wanted, before, without_a_way).kept == {"key-1", '"quoted-3"'}
    assert look_up(wanted, before, without_a_way).lost == {"key-2"}
    assert look_up(wanted, before, behind_an_id).recall == {"key-2", '"quoted-3"'}


def asking(text: str, *more: dict) -> dict:
    return {**called(text, *more), "tools": [{"type": "function", "function": {"name": "recall"}}]}


def test_a_model_recalls_what_it_needs_once_and_where_it_can():
    whole = "key-1 (key-2) key-3"
    texts = texts_by_id(called(whole))
    shortened = f"key-1\n{recall_line(identify(whole))}"
    wanted = frozenset({"key-1", "(key-2)", "key-9"})
    assert recall_for(called(shortened), wanted, texts) is None, "no tool, no recall"
    asked = recall_for(asking(shortened), wanted, texts)
    assert asked == {"id": identify(whole), "pattern": r"\(key\-2\)"}
    told = {"role": "tool", "tool_call_id": "r", "content": "1: key-1 (key-2) key-3"}
    prompt = asking(shortened, said(""), told)
    assert recall_for(prompt, wanted, texts) is None
    assert look_up(wanted, called(whole), called(shortened), recalled([prompt], 4)).recall == {"(key-2)"}


def test_anthropics_form_reads_as_the_chat_form():
    mark = {"cache_control": {"type": "ephemeral"}}
    use = {"type": "tool_use", "id": "c1", "name": "bash", "input": {"command": "ls src/old.py"}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a b"}], **mark}
    body = {
        "system": [{"type": "text", "text": "Be exact.", **mark}],
        "messages": [
            {"role": "user", "content": "Where is it? Not in ticket-77."},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        "tools": [{"name": "bash", "description": "Run.", "input_schema": {"type": "object"}}],
    }
    function = {"name": "bash", "description": "Run.", "parameters": {"type": "object"}}
    chat = {**called("a b"), "tools": [{"type": "function", "function": function}]}
    assert prompt_of(as_chat(body)).segments == prompt_of(chat).segments
    assert prompt_of(as_chat(body)).marks == (1, 4)


def test_facts_of_logs_are_those_of_results_that_say_they_left_something_out():
    before = called("10:41:07 job-1 host/a7 done in 4512 ms\n10:41:09 job-2 host/a7 done in 12 ms")
    assert log_facts(before, before) == (0, 0)
    assert log_facts(before, called("10:41:07 job-1 host/a7\n[left out: 1 line]")) == (3, 2)


CHANGES = {
    "system": lambda body: body["messages"][0].update(content="Be quick."),
    "user": lambda body: body["messages"][1].update(content="Where?"),
    "call": lambda body: body["messages"][2]["tool_calls"][0]["function"].update(arguments="{}"),
    "id": lambda body: body["messages"][3].update(tool_call_id="c9"),
    "emptied": lambda body: body["messages"][3].update(content=""),
    "gone": lambda body: body["messages"].pop(),
    "field": lambda body: body.update(temperature=1),
    "tool": lambda body: body.update(tools=[]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_but_the_words_of_results_has_to_stay(change):
    before = {**called("a long result"), "temperature": 0, "tools": [{"type": "function"}]}
    after = copy.deepcopy(before)
    CHANGES[change](after)
    assert broken(before, after)


def test_words_of_results_marks_and_added_tools_are_no_fault():
    before = {**called("a long result"), "tools": [{"type": "function"}]}
    after = copy.deepcopy(before)
    mark = {"cache_control": {"type": "ephemeral"}}
    after["messages"][0]["content"] = [{"type": "text", "text": "Be exact.", **mark}]
    after["messages"][3]["content"] = "short"
    after["tools"] = [{"type": "function", **mark}, {"type": "function", "function": {"name": "recall"}}]
    assert broken(before, {**after, "model": "large-1", "prompt_cache_key": "k"}) == []


def test_examples_before_the_first_question_may_be_shortened_and_the_question_may_not():
    before = {"messages": [{"role": "user", "content": text} for text in ("an example", "and now?")] + [said("ok")]}
    shorter, asked = copy.deepcopy(before), copy.deepcopy(before)
    shorter["messages"][0]["content"] = "[above]"
    asked["messages"][1]["content"] = "[above]"
    assert broken(before, shorter) == []
    assert broken(before, asked) == ["user message changed"]


class Doing:
    """An optimizer that puts a word of its own into the first result."""

    def __init__(self, word) -> None:
        self.word = word

    def send(self, session, body, cold_at, wanted=frozenset()):
        changed = copy.deepcopy(body)
        if len(body["messages"]) > 3:
            changed["messages"][3]["content"] = self.word(body)
        return Sent(changed)

    def fresh(self):
        return self


def report(word, pace: Pace | None = None) -> Report:
    body = called("word " * 3_000, said("ok"), {"role": "user", "content": "more"}, said("ok"))
    billed = providers(300.0, units=True)
    made = Report(billed)
    session = Session("s", "kind", body, (2, 4, 6), {})
    made.add("kind", Bench(Doing(word), billed, pace or Pace()).session(session), native=True)
    return made


def test_a_run_fails_where_a_beginning_changes_or_a_kind_gets_dearer():
    assert report(lambda _: "short").faults() == []
    unstable = report(lambda body: f"{len(body['messages'])} " + "word " * 2_900).faults()
    assert "tokens of cached beginnings changed" in unstable[0]
    assert "dearer at Anthropic" in " ".join(unstable)
    assert "dearer at uncached" in report(lambda _: "word " * 3_500).faults()[-1]


def test_behind_a_pause_nothing_cached_can_change():
    changes = report(lambda body: f"{len(body['messages'])} " + "word " * 2_000, Pace(pause_every=1))
    assert changes.faults() == []


def test_a_recall_is_billed_as_one_more_request():
    body = called("x" * 9_000 + " key-1", said("it is key-1"))
    billed = providers(300.0, units=True)
    gone = Doing(lambda body: f"short [recall {identify('x' * 9_000 + ' key-1')} shows what was left out]")
    figures = Bench(gone, billed, Pace()).session(Session("s", "kind", body, (4,), {}))
    assert figures.recall == 1
    assert figures.recalled["uncached"] > figures.sent["uncached"] * 2


def test_sums_of_sessions_add_up():
    total = Figures()
    one = report(lambda _: "short").total
    total.add(one)
    total.add(one)
    assert (total.requests, total.cut) == (2 * one.requests, one.cut)
    assert total.change("OpenAI 0.1x") == pytest.approx(one.change("OpenAI 0.1x"))


def test_a_seed_makes_the_same_sessions_again():
    assert generated(5) == generated(5)
    assert generated(5) != generated(6)


def test_made_up_sessions_are_whole():
    for session in generated(5):
        assert list(session.cuts) == sorted(set(session.cuts))
        for turn in session.turns():
            results = {m["tool_call_id"] for m in turn.body["messages"] if m["role"] == "tool"}
            calls = {c["id"] for m in turn.body["messages"] for c in m.get("tool_calls") or ()}
            assert results == calls
            assert look_up(turn.gold, turn.body, turn.body).lost == set(), session.id


def test_a_gateway_sends_what_the_plugin_says():
    session = next(session for session in generated(5) if session.kind == "gen_build")
    body = list(session.turns())[-1].body
    with OverHttp("lossless") as gateway:
        arrived = gateway.send("s", body, 0).body
    assert broken(body, arrived) == []
    assert arrived["messages"] == Plugin("lossless", recall=False).send("s", body, 0).body["messages"]
