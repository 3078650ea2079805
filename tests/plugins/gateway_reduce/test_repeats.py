from __future__ import annotations

import json

import pytest

from gateway_reduce import optimize_body

WINDOW = [f"{n}:    value_{n} = compute_the_value(of={n})" for n in range(1, 61)]


def texts(body):
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def test_a_result_seen_before_becomes_a_pointer(conversation):
    text = "\n".join(WINDOW)
    first, second = texts(optimize_body(conversation(text, text)))
    assert first == text
    assert second == '[above: the same as the result of call_0, beginning "1:    value_1 = compute_the_valu"]'


def test_repeated_lines_keep_their_numbers(conversation):
    edited = [*WINDOW[:30], "31:    value_31 = None", *WINDOW[31:]]
    _, second = texts(optimize_body(conversation("\n".join(WINDOW), "\n".join(edited))))
    assert second.split("\n") == [
        "[above: lines 1-30 as in the result of call_0]",
        "31:    value_31 = None",
        "[above: lines 32-60 as in the result of call_0]",
    ]


def test_lines_whose_numbers_moved_are_no_repeat(conversation):
    moved = [f"{n}:{line.split(':', 1)[1]}" for n, line in enumerate(WINDOW, 2)]
    body = conversation("\n".join(WINDOW), "\n".join(moved))
    assert optimize_body(body) is body


def test_pointers_lead_to_lines_the_model_sees(conversation):
    block = [f"a line of the block, the {n}th" for n in range(10)]
    third = texts(
        optimize_body(conversation("\n".join(block), "\n".join(["new", *block]), "\n".join([*block, "more"])))
    )[2]
    assert third == '[above: 10 lines as in the result of call_0, beginning "a line of the block, the 0th"]\nmore'


def test_what_the_model_wrote_itself_is_a_source(conversation):
    written = "\n".join(f"def function_{n}(): return {n!r}" for n in range(20))
    (text,) = texts(optimize_body(conversation(written + "\nok", content=written)))
    assert text == '[above: 20 lines as in the arguments of call_0, beginning "def function_0(): return 0"]\nok'


def test_repeats_inside_one_result(conversation):
    block = "\n".join(f"warning: the variable {n} is never used" for n in range(12))
    (text,) = texts(optimize_body(conversation(f"{block}\nonce more:\n{block}\nend")))
    assert text.endswith('[above: 12 lines as in this result, beginning "warning: the variable 0 is never"]\nend')


def test_a_line_many_times_in_a_row(conversation):
    (text,) = texts(optimize_body(conversation("begin\n" + "still waiting for the server\n" * 50 + "up")))
    assert text == "begin\nstill waiting for the server\n[above: that line 49 times more]\nup"


CLOSING = "\n(Open file: /klieret__test-repo/tests/missing_colon.py)\n(Directory: /klieret__test-repo/tests)\nbash-5.2$"


def test_the_closing_lines_of_the_result_before(conversation):
    _, second, third = texts(optimize_body(conversation("one" + CLOSING, "two" + CLOSING, "three" + CLOSING)))
    assert second == "two\n[above: the same 3 closing lines as the result before]"
    assert third == "three\n[above: the same 3 closing lines as the result before]"


def test_a_result_between_is_the_result_before(conversation):
    window = "\n".join(WINDOW)
    assert texts(optimize_body(conversation(window, "one" + CLOSING, window, "two" + CLOSING)))[3] == "two" + CLOSING
    body = conversation("one" + CLOSING, "a picture", "two" + CLOSING)
    body["messages"][4]["content"] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert "the result before" not in texts(optimize_body(body))[2]


def test_a_long_line_with_another_beginning(conversation):
    passage = " ".join(f"word{n}" for n in range(90))
    first, second = texts(optimize_body(conversation(f"Document [1] {passage}", f"Document [7] {passage}")))
    assert first == f"Document [1] {passage}"
    assert second.startswith(
        'Document [7] [above: this line goes on as in the result of call_0, beginning "Document [1]'
    )


def test_lines_inside_json_are_found_and_leave_json(conversation):
    output = "\n".join(f'print("line {n}", end="\\t")' for n in range(30))
    first, second = (json.dumps({"output": f"{head}\n{output}\n", "exit_code": 0}) for head in ("once", "twice"))
    second = texts(optimize_body(conversation(first, second)))[1]
    assert json.loads(second) == {
        "output": "twice\n[above: 30 lines as in the result of call_0, beginning 'print(']\n",
        "exit_code": 0,
    }


@pytest.mark.parametrize("id", ['a"b', "a\nb", "", "x" * 500, None, 7, "[above: ]"])
def test_a_name_that_would_break_a_pointer_is_not_used(conversation, id):
    text = "\n".join(WINDOW)
    body = conversation(text, text)
    body["messages"][2]["tool_call_id"] = body["messages"][1]["tool_calls"][0]["id"] = id
    second = texts(optimize_body(body))[1]
    assert second.startswith("[above: the same as an earlier result of ")
    assert "\n" not in second


def test_an_id_used_twice_is_not_used_to_point(conversation):
    block = "\n".join(WINDOW)
    body = conversation("something else", block, block)
    body["messages"][4]["tool_call_id"] = "call_0"
    assert texts(optimize_body(body))[2].startswith("[above: the same as an earlier result of run, beginning")


def test_a_pair_of_short_lines_stays(conversation):
    body = conversation("ok\ndone\n", "ok\ndone\n")
    assert optimize_body(body) is body


CODE = [f"    value_{n} = compute_the_value(of={n})" for n in range(1, 31)]


def test_a_file_as_written_is_known_with_numbers_before_its_lines(conversation):
    viewed = "\n".join(f"{n}\t{line}" for n, line in enumerate(CODE[10:], 11))
    (text,) = texts(optimize_body(conversation(f"{viewed}\nthe end", file_text="\n".join(CODE))))
    assert text == (
        "[above: lines 11-30 as in the arguments of call_0, there without numbers, "
        'beginning "value_11 = compute_the_value(of="]\nthe end'
    )


def test_a_file_as_viewed_is_known_without_the_numbers(conversation):
    viewed = "\n".join(f"{n}\t{line}" for n, line in enumerate(CODE, 41))
    _, text = texts(optimize_body(conversation(viewed, "\n".join(["it reads:", *CODE[4:]]))))
    assert text == "it reads:\n[above: 26 lines as lines 45-70 in the result of call_0, without the numbers]"


def test_numbers_with_a_gap_are_no_window(conversation):
    hits = "\n".join(f"{3 * n}:{line}" for n, line in enumerate(CODE))
    assert texts(optimize_body(conversation(hits, file_text="\n".join(CODE)))) == [hits]


def test_what_is_asked_for_by_its_lines_stays_whole(conversation):
    window, part = "\n".join(WINDOW), "\n".join(WINDOW[10:40])
    body = conversation(window, part, part, window, view_range=[11, 40])
    first, again, once_more, wide = texts(optimize_body(body))
    assert (first, again, once_more) == (window, part, part)
    assert wide == "[above: lines 1-60 as in the result of call_0]"


def test_a_narrow_answer_that_stayed_whole_can_be_pointed_to(conversation):
    body = conversation("\n".join(WINDOW), "\n".join([*WINDOW[:12], "a new line"]), view_range=[1, 13])
    last = conversation("", "", "\n".join(WINDOW[:12]) + "\na new line\nand more")["messages"][-2:]
    body["messages"] += last
    after = optimize_body(body)
    assert texts(after)[1] == texts(body)[1]
    assert texts(after)[2].startswith('[above: 13 lines as in the result of call_1, beginning "1:')
    assert optimize_body(after) == after


@pytest.mark.parametrize("start", ["7|alice|", "12:34:56 ERROR "])
def test_an_id_or_a_time_is_no_line_number(conversation, start):
    row = start + "what was said of it is long enough for a pointer: " + "amber birch cedar delta ember " * 6 + start
    words = ["fjord", "grove", "heron", "inlet", "jetty", "knoll", "larch", "maple", "nepal", "otter"]
    before = "\n".join(f"{word} of the {word}s, once" for word in words)
    after = "\n".join(f"{word} of the {word}s, twice" for word in words)
    body = conversation(f"{before}\n{row}\nand more", f"{after}\n{row}\nno more")
    last = optimize_body(body)["messages"][-1]["content"]
    assert "[above: this line as in the result of call_0" in last
    assert "[above: lines" not in last
