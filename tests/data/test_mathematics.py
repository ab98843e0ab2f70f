"""MATH in both of its forms; the sample is the folder of the original release."""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlrlcd.data.card import DATASETS, load_card
from vlrlcd.data.readers import read_split
from vlrlcd.errors import UserError

SAMPLE = DATASETS / "compmath_count/sample"
FOLDER = "counting_and_probability"


@pytest.fixture
def card():
    return load_card("compmath_count")


def row(number=1, **changes):
    fields = {
        "problem": f"What is {number} + 1?",
        "level": "Level 2",
        "type": "Counting & Probability",
        "solution": rf"It is \boxed{{{number + 1}}}.",
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def write(folder, split="train", **files):
    place = folder / split / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_the_original_folder(card):
    examples = read_split(card, SAMPLE, "train")
    assert [e.id for e in examples] == [f"{FOLDER}/{n}" for n in (2, 10, 11, 13, 17, 21)]
    assert [e.answer for e in examples] == ["6", r"\frac{1}{4}", "10", None, r"\frac25", "16"]
    first = examples[0]
    assert first.place == f"train/{FOLDER}/2.json" and first.kind == "Level 1" and first.images == ()
    assert first.question.startswith("In how many orders") and first.rationales[0].endswith(r"\boxed{6}$ orders.")


def test_problems_held_out_in_a_folder_of_their_own(card, tmp_path):
    write(tmp_path, **{"1": row(1)})
    write(tmp_path, "val", **{"2": row(2)})
    assert [[e.answer for e in read_split(card, tmp_path, split)] for split in ("train", "val")] == [["2"], ["3"]]


def test_a_row_without_a_box_is_counted_and_named(card, capsys):
    read_split(card, SAMPLE, "test")
    assert capsys.readouterr().out == (
        "compmath_count, test: 1 solutions have no \\boxed{} answer, so that nobody can be right or wrong there and "
        f"accuracy leaves them out: test/{FOLDER}/4.json\n"
    )


def test_the_hub_s_form_holds_other_types_too(card, tmp_path):
    for folder, kind in ((FOLDER, "Counting & Probability"), ("geometry", "Geometry")):
        (tmp_path / folder).mkdir()
        rows = [row(1, type=kind), row(2, type=kind, solution="None.")]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / folder / "train-00000-of-00001.parquet")
    assert [(e.id, e.answer) for e in read_split(card, tmp_path, "train")] == [("train-1", "2"), ("train-2", None)]


def test_a_hub_id_is_asked_for_the_configuration(card, monkeypatch):
    asked = []
    table = datasets.Dataset.from_list([row(1), row(2)])
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda *which: asked.append(which) or ["train", "test"])
    monkeypatch.setattr(datasets, "load_dataset", lambda *which, split: asked.append((*which, split)) or table)
    examples = read_split(card, "EleutherAI/hendrycks_math", "test")
    assert asked == [("EleutherAI/hendrycks_math", FOLDER), ("EleutherAI/hendrycks_math", FOLDER, "test")]
    assert [(e.id, e.answer) for e in examples] == [("test-1", "2"), ("test-2", "3")]


def test_a_copy_that_lost_its_split_is_refused(card, tmp_path, monkeypatch):
    def refuse(*which):
        raise ValueError(f"BuilderConfig '{which[1]}' not found. Available: ['default']")

    monkeypatch.setattr(datasets, "get_dataset_split_names", refuse)
    with pytest.raises(UserError, match=rf"'qwedsacf/competition_math' is no folder .*'{FOLDER}' not found"):
        read_split(card, "qwedsacf/competition_math", "train")
    pq.write_table(pa.Table.from_pylist([row()]), tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(UserError, match=r"has no split 'test'; it has train"):
        read_split(card, tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (row(solution=None), rf"train/{FOLDER}/7\.json: field 'solution' is missing or no string; add a string"),
        (row(type=None), rf"train/{FOLDER}/7\.json: field 'type' is missing or no string"),
        (row(problem=None), rf"train/{FOLDER}/7\.json: field 'problem' is missing; add a string that is not empty"),
        (row(level=3), rf"train/{FOLDER}/7\.json, field 'level': must be a string that is not empty, but is 3"),
        ([], rf"train/{FOLDER}/7\.json must be a JSON object with named fields, but is a list"),
        ("{", rf"{FOLDER}/7\.json is not valid JSON"),
        (row(type="Geometry"), "split 'train' in .* is empty"),
    ],
)
def test_faults_are_named(card, tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_split(card, write(tmp_path, **{"7": content}), "train")


def test_a_split_that_is_not_there_names_those_that_are(card, tmp_path):
    with pytest.raises(UserError, match=r"has no split 'val'; it has test, train"):
        read_split(card, SAMPLE, "val")
    with pytest.raises(UserError, match=rf"holds neither \{{split\}}/{FOLDER} nor parquet files; get the data at"):
        read_split(card, tmp_path, "train")
