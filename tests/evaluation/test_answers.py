import json
from contextlib import closing

import pytest
import torch

from tests.tiny import tiny_llava
from vlrlcd.config import ModelConfig
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.data.readers import read_split
from vlrlcd.errors import UserError
from vlrlcd.evaluation.answers import Answer, AnswerLog, answer
from vlrlcd.evaluation.whole import WholeStudent
from vlrlcd.processes.stopping import Stopped
from vlrlcd.scenes.release import write_release
from vlrlcd.student import student_adapter


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_release(folder, "val", 7, seed=0)
    card = load_card("aokvqa_mc")
    return Templates(card), read_split(card, folder, "val")


class Counting(WholeStudent):
    """Counts the prompts that it is asked, and may give up in the middle."""

    asked, limit = 0, 99

    def sample(self, rows, *how):
        if self.asked >= self.limit:
            raise Stopped
        self.asked += len(rows)
        return super().sample(rows, *how)


@pytest.fixture
def student(tmp_path_factory):
    checkpoint = str(tiny_llava(tmp_path_factory.mktemp("student")))
    settings = ModelConfig(checkpoint=checkpoint)
    return Counting(student_adapter(settings), settings)


def answers(student, questions, path, prompt="student", asked_as=""):
    return answer(student, *questions, prompt, AnswerLog(path, {}), 6, 2, asked_as)


def test_what_was_answered_is_not_asked_again(student, questions, tmp_path):
    expected = answers(student, questions, tmp_path / "whole.jsonl")
    assert student.asked == 7 and all(0 < one.tokens <= 6 for one in expected)

    student.asked, student.limit = 0, 4
    with pytest.raises(Stopped):
        answers(student, questions, tmp_path / "log.jsonl")
    assert student.asked == 4
    student.limit = 99
    assert answers(student, questions, tmp_path / "log.jsonl") == expected
    assert student.asked == 7
    assert answers(student, questions, tmp_path / "log.jsonl") == expected
    assert student.asked == 7
    answers(student, questions, tmp_path / "log.jsonl", asked_as="blank")
    answers(student, questions, tmp_path / "log.jsonl", prompt="direct")
    assert student.asked == 21


def test_a_half_written_last_line_is_asked_again(student, questions, tmp_path):
    expected = answers(student, questions, tmp_path / "log.jsonl")
    content = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(content[:-9])
    student.asked = 0
    assert answers(student, questions, tmp_path / "log.jsonl") == expected
    assert student.asked == 1
    assert (tmp_path / "log.jsonl").read_bytes() == content


@pytest.mark.parametrize(("wants_to_end", "tokens", "truncated"), [(True, 1, False), (False, 6, True)])
def test_an_answer_is_cut_at_the_limit_or_ends_by_itself(
    student, questions, tmp_path, monkeypatch, wants_to_end, tokens, truncated
):
    stop, logits = list(student.adapter.stop_ids), student.adapter.logits
    wish = 1e4 if wants_to_end else -1e4
    monkeypatch.setattr(
        student.adapter, "logits", lambda hidden: logits(hidden).index_fill(-1, torch.tensor(stop), wish)
    )
    for one in answers(student, questions, tmp_path / "log.jsonl"):
        assert (one.tokens, one.truncated) == (tokens, truncated)


def test_answers_to_something_else_are_refused(tmp_path):
    AnswerLog(tmp_path / "log.jsonl", {"weights": [1, 2], "limit": 3})
    AnswerLog(tmp_path / "log.jsonl", {"weights": [1, 2], "limit": 3})
    with pytest.raises(UserError, match=r"holds answers with limit = 3, and now it is 4: give another --output"):
        AnswerLog(tmp_path / "log.jsonl", {"weights": [1, 2], "limit": 4})


@pytest.mark.parametrize("kept", [0, 1, 15, 30])
def test_a_kill_while_the_file_is_made_stops_nothing(tmp_path, kept):
    settings = {"weights": [1, 2], "limit": 3}
    AnswerLog(tmp_path / "log.jsonl", settings).close()
    content = (tmp_path / "log.jsonl").read_bytes()
    assert kept < len(content)
    (tmp_path / "log.jsonl").write_bytes(content[:kept])
    assert AnswerLog(tmp_path / "log.jsonl", settings).known == {}
    assert (tmp_path / "log.jsonl").read_bytes() == content


def test_a_second_command_is_refused_and_loses_nothing(tmp_path):
    settings, one = {"limit": 3}, Answer("red", 3, False)
    first = AnswerLog(tmp_path / "log.jsonl", settings)
    with pytest.raises(UserError, match=r"log\.jsonl is being written by another command: wait until it ends, or give"):
        AnswerLog(tmp_path / "log.jsonl", settings)
    first.add("student", {"a": one})
    first.close()
    with closing(AnswerLog(tmp_path / "log.jsonl", settings)) as again:
        assert again.known == {("student", "a"): one}


@pytest.mark.parametrize(
    "content", ["hello", "hello\nhalf", "hello\n", "[]\n", '{"other": 1}\n', '{"settings": {}}\n{"id": "a"}\n']
)
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"log\.jsonl holds no answers of an evaluation"):
        AnswerLog(tmp_path / "log.jsonl", {})
    assert (tmp_path / "log.jsonl").read_text() == content


def test_an_answer_keeps_every_character(tmp_path):
    one = Answer('"<b>\u2028 \U0001f600\n', 3, False)
    AnswerLog(tmp_path / "log.jsonl", {}).add("student", {"a": one})
    assert AnswerLog(tmp_path / "log.jsonl", {}).known == {("student", "a"): one}
    assert [json.loads(line)["id"] for line in (tmp_path / "log.jsonl").read_text().split("\n")[1:-1]] == ["a"]
