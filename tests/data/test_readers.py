import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlrlcd.data.card import DATASETS, load_card
from vlrlcd.data.images import check_images, decode
from vlrlcd.data.readers import read_split


def test_the_official_release(mc_card, record, write_release):
    folder = write_release([record(7, image="val2014/COCO_val2014_000000000007.jpg", dataset="aokvqa"), record(8)])
    first, second = read_split(mc_card, folder, "train")
    assert (first.id, first.place) == ("q7", "aokvqa_v1p0_train.json, row 1")
    assert first.images == (folder / "train2017" / "000000000007.jpg",)
    assert (first.choices, first.answer) == (("cab", "bus", "train", "bike"), "cab")
    assert len(first.direct_answers) == 10 and len(first.rationales) == 3 and not first.difficult_direct_answer
    assert first.scene is None and second.place.endswith("row 2")
    check_images([first, second])


def test_images_may_live_elsewhere(mc_card, record, write_release, tmp_path):
    (example,) = read_split(mc_card, write_release([record(7)]), "train", images=tmp_path / "coco")
    assert example.images == (tmp_path / "coco" / "train2017" / "000000000007.jpg",)


def test_the_test_split_has_no_answers(mc_card, record, write_release):
    hidden = record(1, correct_choice_idx=None, direct_answers=None, rationales=None)
    (example,) = read_split(mc_card, write_release([hidden], "test"), "test")
    assert (example.answer, example.direct_answers, example.rationales) == (None, (), ())


def test_scenes_beside_the_records_are_taken(mc_card, record, write_release):
    folder = write_release([record(1), record(2)])
    scene = {"family": "count", "scene": {"objects": []}}
    (folder / "scenes_train.json").write_text(json.dumps({"q2": scene}))
    assert [example.scene for example in read_split(mc_card, folder, "train")] == [None, scene]


def parquet(folder: Path, name: str, rows: list[dict]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


def hub_row(record, number: int, image: bytes, **changes) -> dict:
    row = record(number, image_id=None, split=None, **changes)
    return {"image": {"bytes": image, "path": None}, **row}


@pytest.fixture
def jpeg() -> bytes:
    return next((DATASETS / "aokvqa_mc/sample/train2017").glob("*.jpg")).read_bytes()


@pytest.mark.parametrize("name", ["data/validation-00000-of-00001-ab12.parquet", "validation/0000.parquet"])
@pytest.mark.parametrize("direct_answers", [["cab", "taxi"], "['cab', 'taxi']"])
def test_the_hugging_face_form(mc_card, record, tmp_path, jpeg, name, direct_answers):
    rows = [hub_row(record, number, jpeg, direct_answers=direct_answers) for number in (1, 2)]
    first, second = read_split(mc_card, parquet(tmp_path, name, rows), "val")
    assert first.images == (jpeg,) and decode(first.images[0]).size == (64, 48)
    assert first.direct_answers == ("cab", "taxi") and first.answer == "cab"
    assert second.place == f"{Path(name).name}, row 2"


def test_hugging_face_test_rows_hold_none(mc_card, record, tmp_path, jpeg):
    row = hub_row(record, 1, jpeg) | {"correct_choice_idx": None, "direct_answers": None, "rationales": None}
    folder = parquet(tmp_path, "test-00000-of-00001.parquet", [row])
    (example,) = read_split(mc_card, folder, "test")
    assert (example.answer, example.direct_answers, example.rationales) == (None, (), ())


def test_parquet_images_may_be_paths(mc_card, record, tmp_path):
    row = hub_row(record, 1, b"") | {"image": {"bytes": None, "path": "pictures/1.jpg"}}
    (example,) = read_split(mc_card, parquet(tmp_path, "train.parquet", [row]), "train")
    assert example.images == (tmp_path / "pictures/1.jpg",)


def test_a_hub_id_goes_through_load_dataset(mc_card, record, monkeypatch, jpeg):
    features = datasets.Features({"image": datasets.Image(), "question_id": datasets.Value("string")})
    table = datasets.Dataset.from_dict({"image": [{"bytes": jpeg, "path": None}], "question_id": ["q1"]}, features)
    rest = {key: [value] for key, value in record(1).items() if key not in ("question_id", "image_id")}
    for key, value in rest.items():
        table = table.add_column(key, value)
    asked = []
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda hub_id: ["train", "validation"])
    monkeypatch.setattr(datasets, "load_dataset", lambda hub_id, split: asked.append((hub_id, split)) or table)
    (example,) = read_split(mc_card, "HuggingFaceM4/A-OKVQA", "val")
    assert asked == [("HuggingFaceM4/A-OKVQA", "validation")]
    assert example.images == (jpeg,) and example.place == "HuggingFaceM4/A-OKVQA validation, row 1"


def test_the_users_own_jsonl(jsonl_card, tmp_path):
    lines = [
        json.dumps({"id": 5, "images": ["a.jpg", "b.jpg"], "question": "Which?\u2028", "note": "extra"}),
        "",
        json.dumps({"id": "x", "images": "c.jpg", "question": "Q", "choices": ["a", "b"], "answer": "b"}),
        json.dumps({"id": "y", "images": [], "question": "Q", "answer": "42", "rationales": ["R"]}),
    ]
    (tmp_path / "train.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    open_question, choice, text_only = read_split(jsonl_card, tmp_path, "train")
    assert open_question.id == "5" and open_question.images == (tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert open_question.choices == () and open_question.answer is None
    assert (choice.answer, choice.images, choice.place) == ("b", (tmp_path / "c.jpg",), "train.jsonl, row 3")
    assert (text_only.images, text_only.answer, text_only.rationales) == ((), "42", ("R",))


@pytest.mark.parametrize("name", [path.parent.name for path in DATASETS.glob("*/card.yaml")])
def test_every_sample_reads(name):
    card = load_card(name)
    for split in ("train", "test" if card.task == "math" else "val"):
        examples = read_split(card, card.folder / "sample", split)
        check_images(examples)
        assert examples
