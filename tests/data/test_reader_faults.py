import json

import datasets
import pytest
from PIL import Image

from vlrlcd.data.images import check_images
from vlrlcd.data.readers import read_split
from vlrlcd.errors import UserError

FAULTY_RECORDS = [
    ({"question": None}, "train.json, row 2: field 'question' is missing; add a string that is not empty"),
    ({"question_id": None}, "row 2: field 'question_id' is missing"),
    ({"image_id": None}, "row 2: field 'image_id' is missing; add a whole number"),
    ({"choices": None}, "row 2: field 'choices' is missing; add a list of strings"),
    ({"rationales": None}, "row 2: field 'rationales' is missing"),
    ({"question": ""}, "row 2, field 'question': must be a string that is not empty, but is ''"),
    ({"question": ["Q"]}, "row 2, field 'question': must be a string that is not empty, but is ['Q']"),
    ({"question_id": 1.5}, "row 2, field 'question_id': must be a string or a whole number, but is 1.5"),
    ({"image_id": "7"}, "row 2, field 'image_id': must be a whole number, but is '7'"),
    ({"choices": "cab"}, "row 2, field 'choices': must be a list of strings, but is 'cab'"),
    ({"choices": ["a", 1]}, "row 2, field 'choices': must be a list of strings"),
    ({"correct_choice_idx": True}, "row 2, field 'correct_choice_idx': must be a whole number, but is True"),
    ({"correct_choice_idx": 4}, "field 'correct_choice_idx': is 4, but there are 4 choices, counted from 0"),
    ({"correct_choice_idx": -1}, "field 'correct_choice_idx': is -1"),
    ({"direct_answers": "['a', 1]"}, "field 'direct_answers': must be a list of strings, or the string of such a list"),
    ({"direct_answers": "cab"}, "field 'direct_answers': must be"),
    ({"difficult_direct_answer": "no"}, "field 'difficult_direct_answer': must be true or false, but is 'no'"),
    ({"question_id": "q1"}, "row 2: id 'q1' was used before, in aokvqa_v1p0_train.json, row 1; make it unique"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTY_RECORDS)
def test_a_faulty_record_is_named(mc_card, record, write_release, changes, message):
    with pytest.raises(UserError) as fault:
        read_split(mc_card, write_release([record(1), record(2, **changes)]), "train")
    assert message in str(fault.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "aokvqa_v1p0_train.json must hold a JSON list of records, but holds an object"),
        ("[3]", "aokvqa_v1p0_train.json, row 1 must be a JSON object with named fields, but is a number"),
        ("[{]", "aokvqa_v1p0_train.json is not valid JSON: .*line 1 column 3"),
        ("[]", "split 'train' in .* is empty"),
    ],
)
def test_a_faulty_file_is_named(mc_card, tmp_path, text, message):
    (tmp_path / "aokvqa_v1p0_train.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_split(mc_card, tmp_path, "train")


def test_text_that_is_not_utf8_is_named(mc_card, tmp_path):
    (tmp_path / "aokvqa_v1p0_train.json").write_bytes(b'["\xe9"]')
    with pytest.raises(UserError, match=r"train.json is not UTF-8 text \(byte 2\)"):
        read_split(mc_card, tmp_path, "train")


def test_a_faulty_scene_file_is_named(mc_card, record, write_release):
    folder = write_release([record(1)])
    (folder / "scenes_train.json").write_text("[]")
    with pytest.raises(UserError, match=r"scenes_train.json must hold a JSON object from question id to scene"):
        read_split(mc_card, folder, "train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "train.jsonl, row 2 is not valid JSON"),
        ('"x"', "train.jsonl, row 2 must be a JSON object with named fields, but is a string"),
        ('{"id": 2, "question": "Q"}', "train.jsonl, row 2: field 'images' is missing; add a path"),
        ('{"id": 2, "question": "Q", "images": [3]}', "field 'images': must be a path, image bytes, or a list of them"),
        (
            '{"id": 2, "question": "Q", "images": [], "choices": ["a", "b"], "answer": "c"}',
            r"train.jsonl, row 2, field 'answer': 'c' is not among the choices \(a, b\)",
        ),
    ],
)
def test_a_faulty_line_is_named(jsonl_card, tmp_path, line, message):
    (tmp_path / "train.jsonl").write_text('{"id": 1, "question": "Q", "images": []}\n' + line)
    with pytest.raises(UserError, match=message):
        read_split(jsonl_card, tmp_path, "train")


def test_an_unknown_split_names_those_that_exist(mc_card, record, write_release):
    write_release([record(1)], "val")
    with pytest.raises(UserError, match=r"has no split 'dev'; it has train, val"):
        read_split(mc_card, write_release([record(1)]), "dev")


def test_a_folder_without_data_names_the_source(mc_card, tmp_path):
    with pytest.raises(UserError, match=r"holds neither aokvqa_v1p0_{split}.json nor parquet files; get the data at"):
        read_split(mc_card, tmp_path, "train")


def test_a_root_that_is_not_there_is_named(mc_card, tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not a folder; set data.root"):
        read_split(mc_card, tmp_path / "nowhere", "train")


def test_an_unreachable_hub_dataset_is_named(mc_card, monkeypatch):
    def fail(hub_id):
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "get_dataset_split_names", fail)
    with pytest.raises(UserError, match=r"'some/where' is no folder here and could not be loaded.*offline"):
        read_split(mc_card, "some/where", "train")


def test_a_broken_parquet_file_is_named(mc_card, tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"train.parquet cannot be read as parquet"):
        read_split(mc_card, tmp_path, "train")


def test_a_missing_image_is_named(mc_card, record, write_release):
    folder = write_release([record(1), record(2)])
    (folder / "train2017" / "000000000002.jpg").unlink()
    with pytest.raises(UserError, match=r"train.json, row 2, image 1: .*000000000002.jpg does not exist; add the file"):
        check_images(read_split(mc_card, folder, "train"))


def test_an_unreadable_image_is_named(mc_card, record, write_release):
    folder = write_release([record(1), record(2)])
    (folder / "train2017" / "000000000002.jpg").write_text("not an image")
    with pytest.raises(UserError, match=r"row 2, image 1: .*000000000002.jpg is not a readable image"):
        check_images(read_split(mc_card, folder, "train"))


def test_a_damaged_png_is_found_by_its_checksum(jsonl_card, tmp_path):
    Image.effect_noise((64, 64), 50).save(tmp_path / "a.png")
    damaged = bytearray((tmp_path / "a.png").read_bytes())
    damaged[200] ^= 255
    (tmp_path / "a.png").write_bytes(damaged)
    (tmp_path / "train.jsonl").write_text('{"id": 1, "question": "Q", "images": ["a.png"]}')
    with pytest.raises(UserError, match=r"train.jsonl, row 1, image 1: .*a.png is not a readable image"):
        check_images(read_split(jsonl_card, tmp_path, "train"))


@pytest.mark.parametrize(
    "image",
    ["../secret.png", "deep/../../secret.png", "/etc/hostname", {"path": "../secret.png"}],
    ids=["parent", "round about", "absolute", "in a struct"],
)
def test_an_image_outside_of_the_root_is_refused(jsonl_card, tmp_path, image):
    (tmp_path / "data").mkdir()
    row = {"id": 1, "question": "Q", "images": [image]}
    (tmp_path / "data/train.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match=r"train\.jsonl, row 1, field 'images': '.*' lies outside of .*data\.images"):
        read_split(jsonl_card, tmp_path / "data", "train")


@pytest.mark.parametrize("image", ["https://example.org/a.png", "file:///etc/hostname", "S3://b/a", "data:image/png,x"])
def test_an_address_in_place_of_an_image_is_refused(jsonl_card, tmp_path, image):
    (tmp_path / "train.jsonl").write_text(json.dumps({"id": 1, "question": "Q", "images": [image]}))
    with pytest.raises(UserError, match=r"row 1, field 'images': '.*' is an address; save the image"):
        read_split(jsonl_card, tmp_path, "train")


def test_half_a_character_is_named(jsonl_card, tmp_path):
    (tmp_path / "train.jsonl").write_text('{"id": 1, "question": "\\ud83d\\ude8c?", "images": []}\n')
    assert read_split(jsonl_card, tmp_path, "train")[0].question == "\U0001f68c?"
    (tmp_path / "train.jsonl").write_text('{"id": 1, "question": "\\ud83d?", "images": []}\n')
    with pytest.raises(UserError, match=r"train\.jsonl, row 1 is not valid JSON: it holds half a character"):
        read_split(jsonl_card, tmp_path, "train")


def test_paths_that_stay_inside_are_taken(jsonl_card, tmp_path):
    inside = ["a.png", "deep/../a.png", str(tmp_path / "data/a.png"), "link/b.png"]
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/train.jsonl").write_text(json.dumps({"id": 1, "question": "Q", "images": inside}))
    (example,) = read_split(jsonl_card, tmp_path / "data", "train")
    assert len(example.images) == 4
