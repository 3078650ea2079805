"""Long texts inside JSON documents are read as lines: many tools give a command's output so."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from gateway_reduce import ReduceSettings
from gateway_reduce.body import parts_of, with_edits
from gateway_reduce.marks import identify
from gateway_reduce.reduction import Reduction

LOG = "\n".join(
    f"2026-03-01 10:{at // 60:02}:{at % 60:02} INFO worker-{at % 7} took job {at * 31} from the queue"
    for at in range(200)
)


def optimized(body, *, recall=True):
    made = Reduction(ReduceSettings().rules).optimized(parts_of(body), recall=recall)
    return with_edits(body, made.edits)["messages"][-1]["content"], made


@pytest.mark.parametrize("recall", [True, False])
def test_a_commands_output_in_json_is_folded_in_its_place(conversation, recall):
    text = json.dumps({"output": LOG, "exit_code": 0, "seconds": 1.10}, indent=1)
    text = text.replace("1.1", "1.10")
    shorter, made = optimized(conversation(text), recall=recall)
    document = json.loads(shorter)
    assert len(shorter) < 0.2 * len(text)
    assert document["output"].startswith(LOG[:60])
    assert "[left out: " in document["output"]
    assert document["exit_code"] == 0
    assert '"seconds":1.10' in shorter
    assert (f"[recall {identify(text)} shows what was left out]" in document["output"]) is recall
    assert [kept.text for kept in made.stash] == ([text] if recall else [])
    assert "templates" in made.edits[0].transform


def test_short_texts_and_broken_documents_stay(conversation):
    for text in (json.dumps({"output": "a\nb\nc\nd\ne\nf\ng"}, separators=(",", ":")), '{"output": "' + "a\\n" * 300):
        assert optimized(conversation(text))[0] == text


def test_a_picture_in_a_document_gives_way_to_its_size(conversation):
    picture = base64.b64encode(hashlib.sha512(b"x").digest() * 40).decode()
    document = json.loads(optimized(conversation(json.dumps({"name": "a.png", "data": picture}, indent=1)))[0])
    assert document["name"] == "a.png"
    assert document["data"].startswith(f"[base64 left out: {len(picture)} characters")


def test_a_second_pass_changes_nothing(conversation):
    body = conversation(json.dumps({"output": LOG}))
    once, made = optimized(body)
    again, _ = optimized(with_edits(body, made.edits))
    assert again == once
