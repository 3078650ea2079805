from __future__ import annotations

import pytest

from gateway_reduce.terminal import clean

ESC = "\x1b"


@pytest.mark.parametrize(
    ("noisy", "plain"),
    [
        (f"{ESC}[1;31merror{ESC}[0m: no such file", "error: no such file"),
        (f"{ESC}[38;5;208mwarn{ESC}[K", "warn"),
        (f"{ESC}]0;user@host: ~\x07ready", "ready"),
        (f"{ESC}]8;;https://example.com{ESC}\\link{ESC}]8;;{ESC}\\", "link"),
        (f"{ESC}(B{ESC}[mdone{ESC}=", "done"),
        ("N\x08NA\x08AM\x08ME\x08E and _\x08x", "NAME and x"),
        ("padded to the border          \nnext", "padded to the border\nnext"),
    ],
)
def test_noise_goes(noisy, plain):
    assert clean(noisy) == plain


@pytest.mark.parametrize(
    "text",
    [
        " a line of context\n \n+an added one\n",  # an empty context line of a diff is one blank
        "a Markdown line break  \nnext",
        "windows\r\nline\r\nends\r\n",
        "old mac\rline ends\rof three different lines that are long enough\rto be worth a mark",
        "  4 apples\n  9 pears\n",
        "    1\tone\n    7\tseven is not the next number\n",
        "\x1b without a sequence \x1b\x7f",
    ],
)
def test_what_carries_meaning_stays(text):
    assert clean(text) == text


def test_progress_shows_its_last_state_and_says_so():
    states = [f"Downloading {n:3d}% of 120 MB" for n in range(0, 101, 5)]
    assert (
        clean("start\n" + "\r".join(states) + "\nend")
        == "start\nDownloading 100% of 120 MB [overwritten 20 times]\nend"
    )


def test_erased_states_go_and_other_words_stay():
    line = (
        "Compiling the first of many crates\r" + " " * 40 + "\rFinished in 3 s\rerror: a longer text that hides nothing"
    )
    assert clean(line) == "Finished in 3 s\rerror: a longer text that hides nothing [overwritten 1 times]"


def test_line_numbers_lose_their_padding():
    text = "".join(f"{n:6d}\tline {n}\n" for n in range(8, 12))
    assert clean(text) == "8\tline 8\n9\tline 9\n10\tline 10\n11\tline 11\n"


@pytest.mark.parametrize("sign", [" ", "\x1b", "\r", "\x08", "\x1b[", "\x1b]", "a\r", " \t"])
def test_a_megabyte_of_one_sign_is_linear(sign):
    clean(sign * 1_000_000 + "x")  # quadratic work here would run into the suite's timeout
