"""Answers that the user has already."""

import pytest

from tests.anchors.teacher import collected, example
from vlrlcd.anchors.teachers import AnswersFile
from vlrlcd.config import TeacherConfig
from vlrlcd.errors import UserError

GOOD = '{"id": "a", "text": "Un métro. Answer: cab"}\n\n{"id": 7, "text": "b"}\n'


def teacher(tmp_path, content=GOOD, **settings):
    path = tmp_path / "answers.jsonl"
    path.write_text(content, encoding="utf-8")
    return AnswersFile(TeacherConfig(kind="file", file=str(path), **settings))


def test_answers_by_id(tmp_path, store):
    asked = teacher(tmp_path)
    assert collected([example("a"), example("7", "Other?")], asked, store).answered == 2
    assert {anchor.text for anchor in store} == {"Un métro. Answer: cab", "b"}


def test_an_edited_answer_is_a_new_one(tmp_path, store):
    collected([example("a")], teacher(tmp_path), store)
    assert collected([example("a")], teacher(tmp_path, '{"id": "a", "text": "new"}'), store).answered == 1


def test_who_wrote_them_can_be_remembered(tmp_path):
    assert (teacher(tmp_path).name, teacher(tmp_path, model="my-expert").name) == ("file", "file:my-expert")


def test_a_row_without_an_answer_is_named(tmp_path, store):
    with pytest.raises(UserError, match=r"train\.json, b: .*answers\.jsonl has no line with id 'b'"):
        collected([example("b")], teacher(tmp_path), store)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "x"', "line 2 is not valid JSON"),
        ("[]", "line 2 must be an object"),
        ('{"id": "x"}', "line 2 must be an object"),
        ('{"id": "x", "text": " "}', "line 2 must be an object"),
        ('{"id": true, "text": "t"}', "line 2 must be an object"),
        ('{"id": "a", "text": "t"}', "line 2: id 'a' stands there twice"),
    ],
)
def test_a_line_with_a_fault_is_named(tmp_path, line, words):
    with pytest.raises(UserError, match=words):
        teacher(tmp_path, GOOD.split("\n")[0] + "\n" + line)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"needs teacher\.file"):
        AnswersFile(TeacherConfig(kind="file"))
    with pytest.raises(UserError, match="cannot be read"):
        AnswersFile(TeacherConfig(kind="file", file=str(tmp_path / "none.jsonl")))
