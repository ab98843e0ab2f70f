"""Stores to files and back, into each other, and looked over."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.anchors.teacher import Scripted, collected, examples, passing
from vlrlcd.anchors.exchange import export_anchors, import_anchors, merge_stores, verify_store
from vlrlcd.anchors.ledger import Ledger
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import TeacherReply
from vlrlcd.errors import UserError

REPLY = TeacherReply("Un métro,\u2028列车\n", "length", {"a": {"b": 1}}, ("cut",), "m-2026")


@pytest.fixture
def full(store):
    collected(examples(5), Scripted(reply=lambda _: REPLY), store)
    return store


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_there_and_back(full, tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    assert export_anchors(full, path) == 5
    with AnchorStore(tmp_path / "other.sqlite") as other:
        assert import_anchors(other, path) == 5
        assert list(other) == list(full) and verify_store(other) == []
        assert import_anchors(other, path) == 0
    assert not list(tmp_path.glob(".*"))


def test_other_endings(full, tmp_path):
    for work in (export_anchors, import_anchors):
        with pytest.raises(UserError, match=r"ends in \.jsonl or \.parquet"):
            work(full, tmp_path / "out.csv")


def spoilt(full, tmp_path, change):
    path = tmp_path / "out.jsonl"
    export_anchors(full, path)
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[1] = change(lines[1])
    path.write_text("\n".join(lines), encoding="utf-8")
    with AnchorStore(tmp_path / "other.sqlite") as other, pytest.raises(UserError) as caught:
        import_anchors(other, path)
    assert "line 2" in str(caught.value)
    return str(caught.value)


def without_text(line):
    return json.dumps({name: value for name, value in json.loads(line).items() if name != "text"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: line[:50], "not valid JSON"),
        (lambda line: "[1]", "is no anchor"),
        (without_text, "it must have key, model, request, text"),
        (lambda line: json.dumps({**json.loads(line), "more": 1}), "no unknown fields"),
        (lambda line: line.replace("question", "Question"), "the row was changed"),
        (lambda line: json.dumps({**json.loads(line), "usage": "5"}), "usage must be a string of a JSON object"),
        (lambda line: json.dumps({**json.loads(line), "flags": '"cut"'}), "flags one of a JSON list"),
        (lambda line: json.dumps({**json.loads(line), "flags": ["cut"]}), "flags is ['cut'], and it must be a string"),
        (lambda line: json.dumps({**json.loads(line), "text": None}), "text is None, and it must be a string"),
        (lambda line: json.dumps({**json.loads(line), "cost_usd": "free"}), "it must be a number or null"),
    ],
)
def test_a_row_that_is_no_anchor_is_named(full, tmp_path, change, words):
    assert words in spoilt(full, tmp_path, change)


def test_files_that_are_none(store, tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    for name in ("bad.parquet", "missing.parquet", "missing.jsonl"):
        with pytest.raises(UserError, match=name):
            import_anchors(store, tmp_path / name)


def test_merging_adds_anchors_and_accounts_once(full, tmp_path):
    with AnchorStore(tmp_path / "other.sqlite") as other:
        collected(examples(8), Scripted({"question 6": [passing()]}), other)
        for new in (3, 0):
            assert merge_stores(full, other) == new
            assert len(full) == 8 and full.ledger().outcomes == {"answered": 13, "HTTP 503": 1}
        assert [found.text for found in full].count(REPLY.text) == 5


def test_merging_again_adds_what_came_since(store, tmp_path):
    with AnchorStore(tmp_path / "other.sqlite") as other:
        ledger = Ledger()
        ledger.count("m", "answered", {}, 0.5)
        for calls in (1, 2):
            other.put(ledgers={"it": ledger})
            merge_stores(store, other)
            merge_stores(store, other)
            assert store.ledger().total.calls == calls and store.ledger().total.cost_usd == 0.5 * calls


def test_a_sound_store(full):
    assert verify_store(full) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE anchors SET request = '{}'", "the key is not that of the request"),
        ("UPDATE anchors SET usage = '{'", "usage must be a string of a JSON object"),
        ("UPDATE anchors SET flags = '{}'", "flags one of a JSON list"),
        ("UPDATE anchors SET text = 'better'", "changed after it was stored"),
        ("UPDATE anchors SET cost_usd = 0.0", "changed after it was stored"),
    ],
)
def test_a_row_that_was_changed(full, change, words):
    with closing(sqlite3.connect(full.path)) as plain:
        plain.execute(change + " WHERE key = (SELECT min(key) FROM anchors)")
        plain.commit()
    (fault,) = verify_store(full)
    with pytest.raises(UserError, match=r"not as it was stored \(1 faults"):
        export_anchors(full, full.path.with_name("out.jsonl"))
    with AnchorStore(full.path.with_name("other.sqlite")) as other, pytest.raises(UserError, match="not as it was"):
        merge_stores(other, full)
    assert words in fault and next(iter(full._connection.execute("SELECT min(key) FROM anchors")))[0] in fault
