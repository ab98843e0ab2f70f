"""Whole jobs on stories and on mathematics, whose rows have no images."""

import itertools
import json
import shutil

import pytest

from model_adapters.chat import ChatFormat
from tests.run.jobs import config_of, figures, lines
from tests.tiny import FAMILIES, tiny_qwen2
from vlrlcd.data.card import DATASETS
from vlrlcd.errors import UserError
from vlrlcd.evaluation.alone import score_predictions
from vlrlcd.job import prepare
from vlrlcd.trainer import train

HELD_OUT = {"writing_prompts_cw": "val", "compmath_count": "test"}
STUDENTS = ("qwen2", "llava", "qwen2_5_vl")
SHORT = {"stage1.prompts_per_step": 3, "stage2.prompts_per_step": 3, "sampling.max_new_tokens": 6, "run.name": "it"}


def settings(name, folder):
    store = {"anchors.store": folder / "anchors.sqlite"}
    return {
        "data.dataset": name,
        "data.root": DATASETS / name / "sample",
        "evaluation.split": HELD_OUT[name],
        **SHORT,
        **store,
    }


@pytest.mark.parametrize("name", HELD_OUT)
@pytest.mark.parametrize("family", STUDENTS)
def test_a_student_trains_two_steps_a_stage(name, family, tmp_path, handlers, distributed, capsys):
    student = {"model.checkpoint": FAMILIES[family](tmp_path / "student"), "run.root": tmp_path}
    train(config_of(settings(name, tmp_path), student), "it")
    run = tmp_path / "it"
    assert [line["stage"] for line in figures(run)] == ["stage1"] * 2 + ["stage2"] * 2
    groups = lines(run / "samples.jsonl")
    assert groups and all(group["images"] == [] for group in groups)
    found = json.loads((run / "eval.json").read_text())[name][HELD_OUT[name]]["stage2"]
    assert not [key for key in found if "blank" in key or "sight" in key or "image" in key]
    told, rows = capsys.readouterr().out, lines(run / f"predictions_{HELD_OUT[name]}_stage2.jsonl")
    judged = {candidate["correct"] for group in groups for candidate in group["candidates"]}
    if name == "compmath_count":
        assert judged <= {True, False, None} and found["accuracy"]["n"] == found["string_match"]["n"] == 2
        assert "accuracy is by the string rule of MATH, then math-verify 0.9.0" in told
        assert [row["accuracy"] for row in rows][2] is None and "accuracy/Level 1" in found
        assert "majority" not in found and rows[0]["target"] == "9"
    else:
        assert judged == {None} and "accuracy" not in found and found["rouge_l"]["n"] == len(rows) == 2
    assert json.loads((run / f"predictions_{HELD_OUT[name]}_stage2.json").read_text())[rows[0]["id"]] == {}


@pytest.mark.parametrize(
    ("name", "row"),
    [("writing_prompts_cw", r"train\.wp_source, row 1"), ("compmath_count", r"counting_and_probability/13\.json")],
)
def test_an_oracle_needs_answers_that_can_be_checked(name, row, tmp_path):
    (tiny_qwen2(tmp_path / "student") / "model.safetensors").unlink()
    student = {"model.checkpoint": tmp_path / "student", "ranking.control": "oracle", "ranking.scorer": "likelihood"}
    with pytest.raises(UserError, match=rf"{row}: ranking\.control=oracle needs an answer that can be checked"):
        prepare(config_of(settings(name, tmp_path), student))


def test_an_oracle_ranks_boxed_answers(tmp_path, handlers, distributed, monkeypatch):
    """What a tiny student says in a box is never right, so its words are put in its mouth."""
    shutil.copytree(DATASETS / "compmath_count/sample", tmp_path / "data")
    (tmp_path / "data/train/counting_and_probability/13.json").unlink()
    said = itertools.cycle([r"\boxed{6}", r"\boxed{\frac14}", "6", r"So \boxed{0.25}.", r"\boxed{10}"])
    monkeypatch.setattr(ChatFormat, "decode", lambda self, ids: next(said))
    student = {"model.checkpoint": tiny_qwen2(tmp_path / "student"), "run.root": tmp_path, "evaluation.split": ""}
    more = {"data.root": tmp_path / "data", "ranking.control": "oracle", "stage1.epochs": 0, "sampling.candidates": 8}
    train(config_of(settings("compmath_count", tmp_path), student, more), "it")
    groups = lines(tmp_path / "it/samples.jsonl")
    answers = {"6": {r"\boxed{6}"}, r"\frac{1}{4}": {r"\boxed{\frac14}", r"So \boxed{0.25}."}, "10": {r"\boxed{10}"}}
    for group in groups:
        for candidate in group["candidates"]:
            assert candidate["correct"] is (candidate["text"] in answers.get(group["answer"], ()))
        right = [c["D"] / c["copies"] for c in group["candidates"] if c["correct"]]
        wrong = [c["D"] / c["copies"] for c in group["candidates"] if not c["correct"]]
        assert not right or not wrong or min(right) > max(wrong)
    assert any(candidate["correct"] for group in groups for candidate in group["candidates"])


def test_a_file_of_predictions_is_for_choices(tmp_path):
    (tmp_path / "p.json").write_text('{"counting_and_probability/1": {"multiple_choice": "9"}}')
    with pytest.raises(UserError, match=r"p\.json: no question of the split has an answer to compare with"):
        score_predictions(config_of(settings("compmath_count", tmp_path)), tmp_path / "p.json", None)


def test_a_problem_without_a_box_has_no_terse_anchor(tmp_path):
    student = {"model.checkpoint": tiny_qwen2(tmp_path / "student"), "ranking.scorer": "likelihood"}
    with pytest.raises(UserError, match=r"counting_and_probability/13\.json: no answer to make an anchor of; add one"):
        prepare(config_of(settings("compmath_count", tmp_path), student, {"anchors.style": "terse"}))
