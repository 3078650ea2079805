from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.listing import shorten
from gateway_reduce.marks import LEFT_OUT

LISTING = """total 228
drwxr-xr-x  9 root root   4096 Nov 25 19:10 .
drwxr-xr-x 18 root root   4096 Nov 25 18:59 ..
-rw-r--r--  1 root root   3474 Nov 25 16:00 Makefile
-rwxr-xr-x  1 root root    812 Jan  3  2024 run me.sh
-rwsr-xr-x  1 root root  47480 Nov 25 16:00 sudoers-helper
-rw-rw-rw-  1 root root     12 Nov 25 16:00 shared.txt
-rw-r--r--  1 jo   staff 1.2M Nov 25 16:00 photo.jpg
lrwxrwxrwx  1 root root      9 Nov 25 16:00 latest -> releases/3
drwxrwxrwt  2 root root   4096 Nov 25 16:00 tmp
"""


def test_kind_size_date_and_name_stay():
    assert shorten(LISTING) == (
        "total 228\n"
        f"{LEFT_OUT}link counts, modes but d, l, x and unusual ones, owner and group where they are root root]\n"
        "d 4096 Nov 25 19:10 .\n"
        "d 4096 Nov 25 18:59 ..\n"
        "3474 Nov 25 16:00 Makefile\n"
        "x 812 Jan  3  2024 run me.sh\n"
        "-rwsr-xr-x 47480 Nov 25 16:00 sudoers-helper\n"
        "-rw-rw-rw- 12 Nov 25 16:00 shared.txt\n"
        "jo staff 1.2M Nov 25 16:00 photo.jpg\n"
        "l 9 Nov 25 16:00 latest -> releases/3\n"
        "drwxrwxrwt 4096 Nov 25 16:00 tmp\n"
    )


def test_one_mark_for_the_directories_of_a_tree():
    tree = f".:\n{LISTING}\n./src:\n{LISTING}"
    shortened = shorten(tree)
    assert shortened.count(LEFT_OUT) == 1
    assert "./src:\ntotal 228\nd 4096 Nov 25 19:10 .\n" in shortened
    assert shorten(shortened) == shortened


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LISTING.split("\n")[:5]),
        LISTING.replace("Nov 25", "25.11."),
        "\n".join(f"> {line}" for line in LISTING.split("\n")),
        "\n".join(f"-rw-r--r-- {n} is a mode of a file with {n} links" for n in range(20)),
        "\n\n".join(LISTING.split("\n")),
    ],
)
def test_other_text_stays(text):
    assert shorten(text) == text


LINES = st.sampled_from([*LISTING.split("\n"), "./a:", "\ud800\x00", "-rw-r--r-- 1 a b"])


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=30).map("\n".join) | st.text(max_size=50))
def test_any_text(text):
    shortened = shorten(text)
    assert len(shortened) <= len(text)
    assert shorten(shortened) == shortened
    assert re.findall(r"\d\d:\d\d (.*)", shortened) == re.findall(r"\d\d:\d\d (.*)", text)


@pytest.mark.parametrize(
    "line", ["-rw-r--r-- 1 " + "a" * 300, "drwxr-xr-x" + " " * 300, "-rw-r--r-- 1 a b " + "1" * 300]
)
def test_a_megabyte_of_one_line_is_linear(line):
    shorten(f"{line}\n" * (1_000_000 // len(line)))  # quadratic work here would run into the suite's timeout
