"""Held-out questions are sorted by what became of them, over all questions and not only those shown."""

import json
import re

import pytest

from tests.report.run_folder import change_lines, write_predictions
from vlrlcd.report import write_report
from vlrlcd.report.answers import SHOWN, questions, splits
from vlrlcd.report.read import read_run

MANY = {"mended": 300, "broken": 70, "still_wrong": 210, "still_right": 420}


def split_of(run):
    notes = []
    (found,) = splits(read_run(run), notes)
    return found, notes


def answers_on(page):
    return page[page.index('<h2 id="answers"') :].split("</section>")[0]


def predictions(run, stage, *rows, split="val"):
    path = run / f"predictions_{split}_{stage}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def alone(run):
    for path in run.glob("predictions_*"):
        path.unlink()
    return run


def kind_of(run, *scores, name="accuracy"):
    for stage, score in zip(("pretrained", "stage1", "stage2"), scores, strict=False):
        predictions(run, stage, {"id": "one", name: score, "resps": [["text"]]})
    (found,) = questions(split_of(run)[0], read_run(run))
    return found.kind, [answer.mark for answer in found.answers]


def test_mended_and_broken_are_counted_over_all_questions(run):
    write_predictions(run, MANY)
    assert split_of(run)[0].by_kind() == MANY
    section = answers_on(write_report(run).read_text())
    for kind, count in {"mended": 300, "broken": 70, "still wrong": 210, "right throughout": 420}.items():
        assert f"<b>{count}</b> {kind}" in section
    assert "This page shows 125 of 1,000 held-out questions" in section
    shown = re.findall(r'data-kinds="(\w+)"', section)
    assert {kind: shown.count(kind) for kind in MANY} == {kind: SHOWN[kind] for kind in MANY}


def test_a_question_stands_with_what_every_stage_said(run):
    first = answers_on(write_report(run).read_text()).split("</details>")[0]
    said = re.findall(
        r"<h4>([^<]+)</h4>\s*<span class=\"mark (\w+)\">.*?<p class=\"text\">([^<]+)</p>", first, re.DOTALL
    )
    right, wrong = (f"The object that is at the top left is {colour}. Answer: {colour}" for colour in ("blue", "green"))
    assert said == [
        ("Pretrained", "wrong", wrong),
        ("After stage 1", "wrong", wrong),
        ("After stage 2", "right", right),
    ]
    assert "It is a blue circle." in first and "The circle is blue." in first and "References" in first
    assert '<li class="gold"><span class="unseen">Right answer: </span>blue</li>' in first
    assert "ROUGE-L 0.25" in first and "tokens 14" in first and "cut off" not in first


def test_a_cut_off_answer_says_so(run):
    change_lines(run / "predictions_val_stage2.jsonl", {"truncated": 1.0})
    first = answers_on(write_report(run).read_text()).split("</details>")[0]
    assert first.count("cut off at the token limit") == 1


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ((0.0, 1.0, 1.0), "mended"),
        ((1.0, 1.0, 0.0), "broken"),
        ((0.0, 1.0, 0.0), "still_wrong"),
        ((1.0, 0.0, 1.0), "still_right"),
        ((1.0, None, 0.0), "broken"),
        ((None, None, 1.0), "unmarked"),
        ((1.0,), "unmarked"),
    ],
)
def test_the_first_and_the_last_marked_stage_decide(run, scores, kind):
    assert kind_of(alone(run), *scores)[0] == kind


def test_half_of_the_people_make_a_direct_answer_right(run):
    assert kind_of(alone(run), 0.3, 0.5, 0.6, name="direct_answer") == ("mended", ["wrong", "right", "right"])


def test_an_evaluation_beside_those_of_the_run_is_shown_and_does_not_decide(run):
    alone(run)
    (run / "predictions_val.jsonl").write_text(json.dumps({"id": "one", "accuracy": 0.0, "resps": [["later"]]}) + "\n")
    assert kind_of(run, 0.0, 0.0, 1.0) == ("mended", ["wrong", "wrong", "right", "wrong"])
    (found,) = questions(split_of(run)[0], read_run(run))
    assert found.answers[-1].stage == "Evaluated alone" and found.answers[-1].text == "later"


def test_splits_with_an_underscore_and_files_without_a_stage_are_told_apart(run):
    alone(run)
    for name in ("val_stage2", "val", "val_hard_stage1", "train_heldout"):
        (run / f"predictions_{name}.jsonl").write_text('{"id": "one"}\n')
    found = {split.name: list(split.files) for split in splits(read_run(run), [])}
    assert found == {"train_heldout": ["student"], "val": ["stage2", "student"], "val_hard": ["stage1"]}


def test_two_splits_stand_apart(run):
    predictions(run, "stage2", {"id": "one", "resps": [["said"]]}, split="test")
    section = answers_on(write_report(run).read_text())
    assert re.findall(r"<h3>([^<]+)</h3>", section) == ["test", "val"]
    assert "This page shows 1 of 1 held-out questions" in section and "<b>1</b> not marked" in section


def test_a_half_written_line_is_said_and_its_question_keeps_its_other_stages(run):
    path = run / "predictions_val_stage2.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    found, notes = split_of(run)
    (note,) = notes
    assert note.startswith("predictions_val_stage2.jsonl: the last line is half-written and was left out")
    last = questions(found, read_run(run))[-1]
    assert [answer.stage for answer in last.answers] == ["Pretrained", "After stage 1"]


def test_rows_without_an_id_are_told_apart_by_their_number(run):
    alone(run)
    predictions(run, "stage1", {"doc_id": 0, "accuracy": 0.0}, {"doc_id": 1, "accuracy": 0.0})
    predictions(run, "stage2", {"doc_id": 1, "accuracy": 1.0}, {"doc_id": 0, "accuracy": 0.0})
    assert split_of(run)[0].by_kind() == {"mended": 1, "still_wrong": 1}
