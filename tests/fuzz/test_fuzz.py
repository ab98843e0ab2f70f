"""Spoilt files of every kind that is read: what comes of them is a value or a UserError, and nothing else.

`make fuzz` runs it for ten minutes; FUZZ_SECONDS is shared out among the kinds. A failure prints the smallest content
that hypothesis found.
"""

import io
import json
import os
import time
from itertools import count

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from tests.anchors.teacher import Scripted, collected, examples
from tests.run.jobs import CONFIG
from vlrlcd.anchors.exchange import export_anchors, import_anchors, verify_store
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.cli import parse_config
from vlrlcd.data.card import DATASETS, load_card
from vlrlcd.data.example import Example
from vlrlcd.data.images import check_images, decode
from vlrlcd.data.readers import read_split
from vlrlcd.errors import UserError
from vlrlcd.evaluation.predictions import read_predictions

pytestmark = pytest.mark.slow
AT_ONCE = settings(
    max_examples=100, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
)
ROW = {"id": "1", "question": "What?", "images": ["a.png"], "choices": ["a", "b"], "answer": "a"}
OFFICIAL = {
    "split": "train",
    "image_id": 7,
    "question_id": "q",
    "question": "What?",
    "choices": ["a", "b", "c", "d"],
    "correct_choice_idx": 1,
    "direct_answers": ["a"] * 10,
    "difficult_direct_answer": False,
    "rationales": ["Because."] * 3,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw, good: bytes):
    """Good content with some bytes turned, cut out, put in, said twice, or the end missing."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.integers(0, 20))
        new = draw(st.binary(max_size=8) | st.just(bytes(content[start:stop]) * 2) | st.just(b""))
        content[start : draw(st.sampled_from([start, stop, len(content)]))] = new
    return bytes(content)


@st.composite
def with_other_values(draw, row: dict):
    """A row of JSON with some fields of any type, or none, or others beside."""
    changed = {key: draw(VALUES) for key in draw(st.lists(st.sampled_from(list(row)), min_size=1, max_size=3))}
    gone = draw(st.lists(st.sampled_from(list(row)), max_size=2))
    kept = {key: value for key, value in (row | changed).items() if key not in gone}
    return json.dumps(kept | draw(st.dictionaries(st.text(max_size=4), VALUES, max_size=1))).encode()


def parquet(rows: list[dict]) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), content)
    return content.getvalue()


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((24, 16), 60).convert("RGB").save(content, kind)
    return content.getvalue()


def written(name: str, read):
    """Puts the content into a file of the folder, and reads it."""

    def tried(folder, content: bytes) -> None:
        (folder / name).write_bytes(content)
        read(folder / name)

    return tried


def imported(path):
    with AnchorStore(path.with_name("of.sqlite")) as store:
        import_anchors(store, path)


def opened(path):
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    with AnchorStore(path) as store:
        list(store)
        verify_store(store)


def looked_at(folder, content: bytes) -> None:
    check_images([Example(id="1", place="row 1", images=(content,), question="What?")])
    decode(content)


def card_read(path):
    load_card(path.parent)


def anchors(tmp_path, ending: str) -> bytes:
    store_path, out = tmp_path / "good.sqlite", tmp_path / f"good{ending}"
    store_path.unlink(missing_ok=True)
    with AnchorStore(store_path) as store:
        collected(examples(3), Scripted(), store)
        if ending != ".sqlite":
            export_anchors(store, out)
    return (store_path if ending == ".sqlite" else out).read_bytes()


def line(row: dict) -> bytes:
    return json.dumps(row).encode()


MC, JSONL = load_card("aokvqa_mc"), load_card("jsonl")
ASKED = [Example(id="q", place="row 1", images=(), question="What?", choices=("a", "b"), answer="a")]
OFFICIAL_FILE = written("aokvqa_v1p0_train.json", lambda path: read_split(MC, path.parent, "train"))
JSONL_FILE = written("train.jsonl", lambda path: read_split(JSONL, path.parent, "train"))
KINDS = {
    "official JSON": (lambda tmp: spoilt(b"[" + line(OFFICIAL) + b"]"), OFFICIAL_FILE),
    "official fields": (lambda tmp: with_other_values(OFFICIAL).map(lambda row: b"[" + row + b"]"), OFFICIAL_FILE),
    "JSONL": (lambda tmp: spoilt(line(ROW) + b"\n" + line({**ROW, "id": "2"})), JSONL_FILE),
    "JSONL fields": (lambda tmp: with_other_values(ROW), JSONL_FILE),
    "parquet": (
        lambda tmp: spoilt(parquet([ROW])),
        written("train-00000-of-00001.parquet", lambda path: read_split(JSONL, path.parent, "train")),
    ),
    "JPEG": (lambda tmp: spoilt(picture("JPEG")), looked_at),
    "PNG": (lambda tmp: spoilt(picture("PNG")), looked_at),
    "WebP": (lambda tmp: spoilt(picture("WEBP")), looked_at),
    "anchor store": (lambda tmp: spoilt(anchors(tmp, ".sqlite")), written("anchors.sqlite", opened)),
    "anchors JSONL": (lambda tmp: spoilt(anchors(tmp, ".jsonl")), written("a.jsonl", imported)),
    "anchors parquet": (lambda tmp: spoilt(anchors(tmp, ".parquet")), written("a.parquet", imported)),
    "configuration": (
        lambda tmp: spoilt(CONFIG.read_bytes()),
        written("c.yaml", lambda path: parse_config("", argv=[f"--config={path}"])),
    ),
    "card": (lambda tmp: spoilt((DATASETS / "aokvqa_mc/card.yaml").read_bytes()), written("card.yaml", card_read)),
    "predictions": (
        lambda tmp: spoilt(b'{"q": {"multiple_choice": "a", "direct_answer": "a"}}'),
        written("p.json", lambda path: read_predictions(path, ASKED)),
    ),
}
SECONDS = float(os.environ.get("FUZZ_SECONDS", 3 * len(KINDS))) / len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_documented_errors(kind, tmp_path):
    strategy, read = KINDS[kind]
    contents, end, outcomes = strategy(tmp_path), time.monotonic() + SECONDS, []
    for number in count():

        @seed(number)
        @AT_ONCE
        @given(contents)
        def tried(content):
            try:
                read(tmp_path, content)
                outcomes.append("read")
            except UserError as error:
                assert str(error).strip()
                outcomes.append("refused")

        tried()
        if time.monotonic() > end:
            break
    assert outcomes.count("refused") > 10, "nothing was spoilt"
    print(f"{kind}: {len(outcomes):,} contents, {outcomes.count('refused'):,} refused")
