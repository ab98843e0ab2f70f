"""Answers read from files: both forms of a line, and every way in which a file may be wrong."""

import json

import pytest

from tests.anchors.teacher import examples
from vlrlcd.errors import UserError
from vlrlcd.judging.texts import answers_file, of_questions, read_texts, stage_of


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "answers.jsonl"
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
        return path

    return write


def test_plain_lines_and_those_of_an_evaluation(written):
    lines = [
        {"id": "a", "text": "one\u2028two"},
        {"id": 7, "resps": [["three", "x"]], "doc_id": 0},
        {"id": "b", "text": ""},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    for end in ("", "\n", "\n\n"):
        assert read_texts(written(text + end)) == {"a": "one\u2028two", "7": "three", "b": ""}


GOOD = '{"id": "a", "text": "one"}\n'
FAULTS = {
    "half-written": (
        GOOD + '{"id": "b", "te',
        r"answers\.jsonl, line 2, the last one, is half-written; write the file",
    ),
    "broken inside": (GOOD + '{"id": "b", "te\n' + GOOD, r"line 2 is not valid JSON \(.*\); mend it"),
    "no object": (GOOD + "[1]\n", r'line 2 has no "id"; a line is \{"id"'),
    "no id": ('{"text": "one"}\n', r'line 1 has no "id"'),
    "id of another kind": ('{"id": true, "text": "one"}\n', r'line 1 has no "id"'),
    "no text": ('{"id": "a"}\n', r"line 1, id 'a', has no text; a line is"),
    "text of another kind": ('{"id": "a", "text": 3}\n', r"line 1, id 'a', has no text"),
    "no responses": ('{"id": "a", "resps": [[]]}\n', r"line 1, id 'a', has no text"),
    "half of a character": ('{"id": "a", "text": "\\ud83d"}\n', r"line 1, id 'a', holds half of a character"),
    "twice": (GOOD + GOOD, r"line 2: id 'a' stands there twice; keep one"),
    "not UTF-8": (
        b"\xff\xfe{",
        r"answers\.jsonl: the answers cannot be read \(it is not UTF-8 text\); give a JSONL file",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(written, name):
    content, said = FAULTS[name]
    with pytest.raises(UserError, match=said):
        read_texts(written(content))


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"gone\.jsonl: the answers cannot be read \(No such file or directory\)"):
        read_texts(tmp_path / "gone.jsonl")


def test_texts_come_in_the_order_of_the_questions(tmp_path):
    asked = examples(3)
    texts = {"id2": "c", "id0": "a", "id1": "b", "id3": "of the split, and not asked"}
    assert of_questions(texts, tmp_path, asked, examples(4)) == ["a", "b", "c"]


def test_an_unknown_question(tmp_path):
    texts = {"id0": "a", "stranger": "b"}
    with pytest.raises(
        UserError, match=r"f: id 'stranger' is no question of the split \(1 of its 2 answers .*set eval"
    ):
        of_questions(texts, tmp_path / "f", examples(1), examples(1))


def test_fewer_answers_than_questions(tmp_path):
    with pytest.raises(
        UserError, match=r"f has no answer to 2 of 3 questions, the first of them 'id1' \(train.json, id1"
    ):
        of_questions({"id0": "a"}, tmp_path / "f", examples(3), examples(3))


def test_the_last_stage_of_a_folder_is_taken(tmp_path):
    for name in ("pretrained", "stage1", "stage2"):
        (tmp_path / f"predictions_val_{name}.jsonl").touch()
        assert answers_file(str(tmp_path), "val").name == f"predictions_val_{name}.jsonl"
    for other in ("predictions_val_stage2.json", "predictions_val_hard_stage3.jsonl", "predictions_test_stage1.jsonl"):
        (tmp_path / other).touch()
    assert answers_file(str(tmp_path), "val").name == "predictions_val_stage2.jsonl"
    assert answers_file(str(tmp_path), "test").name == "predictions_test_stage1.jsonl"
    assert answers_file(str(tmp_path / "own.jsonl"), "val") == tmp_path / "own.jsonl"


def test_a_folder_of_an_evaluation_by_itself(tmp_path):
    (tmp_path / "predictions_val.jsonl").touch()
    assert answers_file(str(tmp_path), "val").name == "predictions_val.jsonl"


def test_a_folder_without_answers(tmp_path):
    (tmp_path / "predictions_test_stage1.jsonl").touch()
    with pytest.raises(
        UserError, match=r"holds no predictions_val\.jsonl or predictions_val_STAGE\.jsonl: give the folder"
    ):
        answers_file(str(tmp_path), "val")


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("predictions_val_stage2.jsonl", "stage2"),
        ("predictions_val.jsonl", "student"),
        ("predictions_test_stage2.jsonl", None),
        ("predictions_val_heldout.jsonl", None),
        ("predictions_val_hard_stage2.jsonl", None),
        ("mine.jsonl", None),
    ],
)
def test_stages(tmp_path, name, stage):
    assert stage_of(tmp_path / name, "val") == stage
