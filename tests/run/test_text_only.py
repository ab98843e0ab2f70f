"""Whole jobs with a student that reads text only."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.run.jobs import config_of, figures, finish, lines, start
from tests.run.refusals import sentence
from tests.tiny import tiny_llama, tiny_qwen2
from vlrlcd.trainer import train


@pytest.mark.parametrize(("build", "tuning"), [(tiny_qwen2, "lora"), (tiny_llama, "full")])
def test_both_stages_and_a_plain_checkpoint(text_rows, tmp_path, build, tuning, handlers, distributed):
    student = {"model.checkpoint": build(tmp_path / "student"), "model.tuning": tuning, "run.root": tmp_path}
    train(config_of(text_rows, student), "it")
    run = tmp_path / "it"
    assert [line["stage"] for line in figures(run)] == ["stage1"] * 2 + ["stage2"] * 2
    assert len(lines(run / "samples.jsonl")) == 8
    evaluation = json.loads((run / "eval.json").read_text())["jsonl"]["val"]
    assert set(evaluation) == {"pretrained", "stage1", "stage2"} and "accuracy_blank" not in evaluation["stage2"]
    model = AutoModelForCausalLM.from_pretrained(run / "student")
    tokenizer = AutoTokenizer.from_pretrained(run / "student")
    with torch.no_grad():
        assert model(**tokenizer("Is 4 even?", return_tensors="pt")).logits.isfinite().all()
    before = AutoModelForCausalLM.from_pretrained(tmp_path / "student").state_dict()
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_two_processes_under_zero_3_learn_what_one_does(text_rows, tmp_path):
    student = {"model.checkpoint": tiny_qwen2(tmp_path / "student"), "evaluation.split": "", "run.name": "it"}
    losses = []
    for processes, stage in ((1, 0), (2, 3)):
        where = {"run.root": tmp_path / str(processes), "engine.deepspeed": f"configs/deepspeed/zero{stage}.json"}
        code, out, err = finish(start(text_rows, student, where, processes=processes))
        assert code == 0, out + err
        losses.append([line["loss"] for line in figures(tmp_path / str(processes) / "it")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_images_are_refused_before_the_weights_are_read(inputs, tmp_path):
    (tiny_qwen2(tmp_path / "student") / "model.safetensors").unlink()
    student = {"model.checkpoint": tmp_path / "student", "run.root": tmp_path, "ranking.scorer": "likelihood"}
    said = sentence(*finish(start(inputs, student))[::2])
    assert "(qwen2) reads text only" in said and "choose a student that sees" in said and "row 1" in said
