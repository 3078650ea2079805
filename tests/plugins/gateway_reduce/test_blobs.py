from __future__ import annotations

import base64
import hashlib
import textwrap

import pytest

from gateway_reduce.blobs import drop_base64

DATA = base64.b64encode(hashlib.shake_256(b"picture").digest(3_000)).decode()


def test_long_base64_becomes_size_and_hash():
    sha = hashlib.sha256(DATA.encode()).hexdigest()[:16]
    assert drop_base64(f'{{"png": "data:image/png;base64,{DATA}"}}') == (
        f'{{"png": "data:image/png;base64,[base64 left out: 4000 characters, sha256 {sha}]"}}'
    )


def test_wrapped_base64_is_one_blob():
    wrapped = "\n".join(textwrap.wrap(DATA, 76))
    short = drop_base64(f"begin\n{wrapped}\nend")
    assert short.startswith("begin\n[base64 left out: 4052 characters, sha256 ")
    assert short.endswith("]\nend")


@pytest.mark.parametrize(
    "text",
    [
        DATA[:1000],
        "A" * 5_000,
        "0123456789abcdef" * 400,
        "/usr/lib/python3/site" * 100,
        "ACGT" * 1_000,
        "word " * 2_000,
    ],
)
def test_other_long_runs_stay(text):
    assert drop_base64(text) == text


def test_runs_just_too_short_are_linear():
    drop_base64(("aB3" * 341 + " ") * 2_000)
    drop_base64(("aB3" * 25 + "\n") * 8 + "aB3 " * 200_000)
