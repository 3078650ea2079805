from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway_reduce import optimize_body
from gateway_reduce.passages import paragraph, sentences, shared_run

PASSAGE = (
    "The term comes from a Czech word, robota, meaning forced labour. It was first used for a made-up human in a play "
    "of 1920. Electronics became the driving force of development. By then "
    "factories had asked for years for machines that lift, weld and paint, and that can be taught their work anew "
    "when the product changes. The first digital one was built in 1954."
)
BROKEN = "  " + PASSAGE.replace(". ", ".\n ")


def second(conversation, *texts):
    return optimize_body(conversation(*texts))["messages"][-1]["content"]


def test_a_passage_with_its_lines_broken_elsewhere(conversation):
    shown = f"Document [2](Title: Robot) {PASSAGE}\n\nDocument [3] Another."
    text = second(conversation, shown, f"Document [9](Title: Robot ) {BROKEN}\n\nDocument [10] More.")
    assert text == (
        'Document [9](Title: [above: on as in the result of call_0 from "Robot) The term comes from a Cze" '
        'to "l one was built in 1954.", white space apart]\n\nDocument [10] More.'
    )


def test_a_passage_that_was_in_lines_before(conversation):
    text = second(conversation, BROKEN, f"Found: {PASSAGE} And more that is new.")
    assert text.startswith("Found: [above: on as in the result of call_0 from ")
    assert text.endswith('to "l one was built in 1954.", white space apart] And more that is new.')


def test_a_word_that_differs_ends_the_passage(conversation):
    text = second(conversation, PASSAGE, f"Found: {PASSAGE.replace('1954', '1961')}")
    assert text.endswith('"digital one was built in"] 1961.')


def test_code_keeps_its_white_space(conversation):
    code = "".join(f"    value_{n} = the_function_that_computes(it, with_={n}, and_={n})\n" for n in range(9))
    body = conversation(code, code.replace("    ", "        "))
    assert optimize_body(body) is body


WORDS = st.sampled_from(["one", "two", "three.", "of", "it,", "Four", "(five)", "6", "\ud800", "é"])
LINES = st.lists(WORDS, min_size=1, max_size=40).map(" ".join)


@given(st.lists(LINES, min_size=1, max_size=5), st.lists(LINES, min_size=1, max_size=5))
def test_what_a_run_replaces_stands_in_the_source(own, source):
    for place in range(len(source)):
        for sentence in own[0].split(". "):
            run = shared_run(own, sentence, source, place)
            if run is None:
                continue
            gone = "\n".join(own[: run.lines])
            gone = gone[len(run.before) : len(gone) - len(run.behind)]
            assert "".join(gone.split()) in "".join("".join(source).split())
            assert own[0].startswith(run.before)
            assert own[run.lines - 1].endswith(run.behind)
            same = "white space apart" not in run.where
            assert not same or gone in "\n".join(source)


@given(st.text(min_size=1))
def test_any_line_has_sentences(line):
    assert all(sentence in line for sentence in sentences(line))
    assert paragraph([line, None], 0) in ([], [line])
