"""One command, from a checkpoint and a data set to a finished student with its page."""

import json
import math

import pytest
import torch
import yaml
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from tests.run.jobs import figures, finish, lines, same_bits, start, weights

STAGE1 = {"stage", "step", "loss", "lr", "grad_norm", "tokens_per_s", "seconds"}
STAGE2 = STAGE1 | {
    *(
        "preference_loss",
        "kl",
        "logp_gap",
        "effective_k_d",
        "effective_k_q",
        "tied_share",
        "truncated_share",
        "mean_length",
    ),
    *("distinct_share", "drawn", "split_share", "dense_share", "auc", "auc_pooled", "spearman", "candidate_accuracy"),
}
PHASES = {"stage1": {"load", "train", "optimise"}, "stage2": {"load", "look", "sample", "rank", "train", "optimise"}}
MEASURED = {
    *("accuracy", "unreadable", "majority", "direct_answer", "direct_answer_normalised"),
    *("rouge_l", "bleu", "chrf", "tokens", "characters", "truncated"),
    *("truthful_rationales", "claims_per_rationale", "hallucinating_rationales"),
}
WITHOUT_SIGHT = {"accuracy_blank", "accuracy_wrong_image", "accuracy_question_only", "gain_from_sight"}
PER_CLAIM = {"false_claims"}
"""Of explanations that make one: an untrained student's may not."""


@pytest.fixture
def run(whole):
    folder, code, out, err = whole
    assert code == 0, err
    return folder


def test_it_says_what_it_does_and_where_the_result_is(whole, run):
    out = whole[2]
    for said in (
        "llava",
        "12 training prompts",
        "4 held out",
        "12 anchors",
        "3 steps of 4 prompts",
        "ZeRO stage 0",
        "pretrained",
    ):
        assert said in out
    assert str(run / "report.html") in out
    assert "Traceback" not in out + whole[3]


def test_metrics_hold_one_line_per_step_with_every_figure(run):
    logged = lines(run / "metrics.jsonl")
    assert [(line["stage"], line["step"]) for line in logged] == [(s, i) for s in PHASES for i in range(3)]
    for line in logged:
        # the first step of stage 2 is probed, and then every tenth
        probed = line["stage"] == "stage2" and line["step"] == 0
        named, phases = (STAGE1 if line["stage"] == "stage1" else STAGE2), PHASES[line["stage"]]
        assert line.keys() == (named | {"image_gain"} if probed else named)
        assert line["seconds"].keys() == (phases | {"probe"} if probed else phases)
        assert all(math.isfinite(line[key]) for key in ("loss", "lr", "tokens_per_s"))
        assert line["grad_norm"] > 0
        assert line["lr"] > 0


def test_samples_hold_every_group_with_normalised_distributions(run):
    groups = lines(run / "samples.jsonl")
    assert len(groups) == 12
    assert len({group["id"] for group in groups}) == 12
    for group in groups:
        assert sum(c["copies"] for c in group["candidates"]) == 4
        assert sum(c["D"] for c in group["candidates"]) == pytest.approx(1)
        assert sum(c["q"] for c in group["candidates"]) == pytest.approx(1, abs=1e-5)
        assert all(c["r"] == pytest.approx(c["score"] - group["anchor_score"], abs=1e-4) for c in group["candidates"])


def test_the_evaluation_has_every_stage_with_intervals(run):
    table = json.loads((run / "eval.json").read_text())["aokvqa_mc"]["val"]
    assert list(table) == ["pretrained", "stage1", "stage2"]
    for stage, found in table.items():
        names = {name for name in found if "/" not in name}
        assert names - PER_CLAIM == MEASURED | (WITHOUT_SIGHT if stage == "stage2" else set())
        by_type = [cell for name, cell in found.items() if name.startswith("accuracy/")]
        assert sum(cell["n"] for cell in by_type) == 4
        for name, cell in found.items():
            assert cell.keys() == {"value", "low", "high", "n"}
            # sacrebleu's interval of a figure that is near 0 is centred on the mean of the resamples
            assert cell["low"] <= cell["value"] <= cell["high"] or name in ("bleu", "chrf")
            assert cell["n"] == 4 or name not in names - PER_CLAIM


def test_every_question_has_a_line_with_its_answer_and_its_scores(run):
    evaluation = json.loads((run / "eval.json").read_text())["aokvqa_mc"]["val"]
    for stage in ("pretrained", "stage1", "stage2"):
        told = lines(run / f"predictions_val_{stage}.jsonl")
        official = json.loads((run / f"predictions_val_{stage}.json").read_text())
        assert [line["id"] for line in told] == list(official)
        for line in told:
            assert (line["filtered_resps"][0] or "") == official[line["id"]]["multiple_choice"]
            assert line["doc"]["question"] in line["arguments"][0][0]
            assert line["accuracy"] == float(line["filtered_resps"][0] == line["target"])
        for name in ("accuracy", "rouge_l", "tokens"):
            assert sum(line[name] for line in told) / 4 == pytest.approx(evaluation[stage][name]["value"])


def test_predictions_have_the_official_form(run, scenes):
    asked = [row["question_id"] for row in json.loads((scenes / "aokvqa_v1p0_val.json").read_text())[:4]]
    for stage in ("pretrained", "stage1", "stage2"):
        predictions = json.loads((run / f"predictions_val_{stage}.json").read_text())
        assert list(predictions) == asked
        assert all(p.keys() == {"multiple_choice", "direct_answer"} for p in predictions.values())


def test_configuration_facts_and_page_are_there(run):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["sampling"]["candidates"] == 4
    assert {"commit", "torch", "deepspeed", "machine", "started"} <= config["provenance"].keys()
    facts = json.loads((run / "run.json").read_text())
    teacher = facts["teacher"]
    assert (teacher["name"], teacher["anchors"], teacher["trained_on"]) == ("dataset-column:explained", 12, 12)
    assert teacher["calls_if_it_judged"] == 48 and not teacher["collected"] and not teacher["set_aside"]
    assert not (run / "set_aside.jsonl").exists()
    assert facts["steps"] == {"stage1": 3, "stage2": 3}
    assert facts["tau"] * facts["gamma"] == pytest.approx(1)
    assert "<html" in (run / "report.html").read_text()
    assert list((run / "tensorboard").iterdir())
    assert not (run / "checkpoints").exists()


def test_training_moved_the_student_in_both_stages_and_left_the_tower_alone(run, checkpoint):
    before, between, after = weights(checkpoint, "."), weights(run, "stage1"), weights(run)
    for name in before:
        trained = "vision_tower" not in name
        assert torch.equal(before[name], between[name]) != trained, name
        assert torch.equal(between[name], after[name]) != trained, name


def test_the_student_is_a_plain_checkpoint_that_answers_an_image_question(run):
    processor = AutoProcessor.from_pretrained(run / "student")
    model = AutoModelForImageTextToText.from_pretrained(run / "student")
    assert model.config.get_text_config().use_cache
    question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what colour?"}]}]
    prompt = processor.apply_chat_template(question, add_generation_prompt=True)
    inputs = processor(images=Image.new("RGB", (60, 40), "red"), text=prompt, return_tensors="pt")
    answer = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert answer.shape[1] > inputs["input_ids"].shape[1]


def test_the_launcher_runs_the_same_job_into_a_folder_of_its_own(run, inputs):
    first = figures(run)
    code, out, err = finish(start(inputs, {"run.root": run.parent}, processes=1))
    assert code == 0, err
    second = run.parent / "quickstart-2"
    assert figures(second) == first
    assert same_bits(weights(second), weights(run))
    assert figures(run) == first
