"""Questions, references, and answers cut to equal lengths."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.anchors.teacher import Scripted
from tests.judging.pairs import pair
from tests.servers.rows import write_rows
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.collect import collect
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import TeacherReply
from vlrlcd.config import Config, DataConfig, EvaluationConfig, TeacherConfig
from vlrlcd.data.answers import answer_text
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.errors import UserError
from vlrlcd.judging import pairs
from vlrlcd.judging.pairs import questions, references, truncated

CARD = load_card("jsonl")
ANSWERS = st.lists(st.sampled_from(["a", "word", " ", "\n", "Answer: ", "cab", "\u3042"])).map("".join)


@pytest.fixture
def config(tmp_path):
    def of(rows=4, split="train", limit=0, **teacher):
        more = {"answer": "cab", "choices": ["cab", "bus"], "rationales": ["It is yellow."]}
        root = write_rows(tmp_path / "data", rows, **more)
        return Config(
            data=DataConfig(dataset="jsonl", root=str(root)),
            evaluation=EvaluationConfig(split=split, limit=limit),
            teacher=TeacherConfig(**teacher),
        )

    return of


def referred(named, config):
    return references(named, questions(config, CARD), config, CARD, "mine.yaml")


def test_the_first_questions_of_the_split(config):
    wanted = questions(config(limit=2), CARD)
    assert [len(wanted.asked), len(wanted.split)] == [2, 4]
    assert len(questions(config(), CARD).asked) == 4


def test_no_split(config):
    with pytest.raises(UserError, match=r"evaluation\.split is empty: name the split whose answers are compared"):
        questions(config(split=""), CARD)


def test_the_data_s_own_answers_are_there_at_once(config):
    found = referred("anchors", config())
    assert found.texts == ["It is yellow. Answer: cab"] * 4 and found.name == "anchors of dataset-column:explained"


def test_another_run(config, tmp_path):
    (tmp_path / "run").mkdir()
    lines = [json.dumps({"id": str(number), "text": f"text {number}"}) for number in range(4)]
    (tmp_path / "run/predictions_train_stage2.jsonl").write_text("\n".join(lines))
    found = referred(str(tmp_path / "run"), config(limit=3))
    assert found.texts == ["text 0", "text 1", "text 2"] and found.name.endswith("run/predictions_train_stage2.jsonl")


def test_references_that_are_shorter_than_the_split(config, tmp_path):
    (tmp_path / "few.jsonl").write_text('{"id": "0", "text": "x"}\n')
    with pytest.raises(UserError, match=r"few\.jsonl has no answer to 3 of 4 questions, the first of them '1'"):
        referred(str(tmp_path / "few.jsonl"), config())


def test_a_teacher_s_answers_from_the_store(config, monkeypatch):
    wanted, cut = config(kind="chat", model="scripted"), TeacherReply("Cut", "length", flags=("cut",))
    teacher = Scripted(reply=lambda example: cut if example.id == "2" else TeacherReply(f"about {example.id}"))
    monkeypatch.setattr(pairs, "teacher_for", lambda config, card: teacher)
    monkeypatch.setattr("sys.argv", ["judge.py", "--reference=anchors", "--teacher.kind=chat"])
    with pytest.raises(UserError) as caught:
        referred("anchors", wanted)
    command = "python scripts/collect_anchors.py --config mine.yaml --teacher.kind=chat --data.train_split=train"
    assert f"run `{command} --data.train_limit=0` first" in str(caught.value) and not teacher.asked
    with AnchorStore(pairs.anchor_store(wanted)) as store:
        collect(asks(questions(wanted, CARD).asked, Templates(CARD), teacher), teacher, store, wanted.teacher)
    found = referred("anchors", wanted)
    assert found.texts == ["about 0", "about 1", "Cut", "about 3"] and found.flagged == 1


def cut(answer, reference):
    found = truncated(pair(0, answer, reference))
    return found.answer, found.reference


@pytest.mark.parametrize(
    ("answer", "reference", "shortened"),
    [
        ("one two three", "one two", "one two"),
        ("one two three", "one tw", "one"),
        ("unbroken", "four", "unbr"),
        ("It is long and yellow. Answer: cab", "It is yellow. Answer: cab", "It is long Answer: cab"),
        ("It is yellow. Answer: cab", "Answer: bus", "Answer: cab"),
        ("It is yellow. Answer: a taxi cab", "Answer: bus", "Answer: a taxi cab"),
        ("short", "a longer one", "short"),
        ("long", "", ""),
    ],
)
def test_the_longer_answer_is_cut_and_what_it_answers_is_kept(answer, reference, shortened):
    length = min(len(answer), len(reference))
    assert cut(answer, reference)[0] == shortened
    assert cut(reference, answer)[1] == shortened
    assert len(cut(answer, reference)[1]) <= max(length, len("Answer: bus"))


@given(ANSWERS, ANSWERS)
def test_no_answer_is_longer_than_the_shorter_one_but_for_what_it_answers(one, other):
    length = min(len(one), len(other))
    for before, after in zip((one, other), cut(one, other), strict=True):
        assert len(after) <= length or answer_text(before) is not None
        assert answer_text(after) == answer_text(before)
        assert after == before or len(before) > length
