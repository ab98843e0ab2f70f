"""The card of a student, read back as the Hub reads it."""

import json
import shutil
from contextlib import contextmanager

import pytest
import yaml
from huggingface_hub import ModelCard

from vlrlcd.data.card import load_card
from vlrlcd.report import write_model_card


@pytest.fixture
def finished(run):
    """A finished run with a folder for its student, whose configuration may be changed."""
    (run / "student").mkdir()
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["provenance"] = {"commit": "3f1c9d2", "transformers": "5.23.0", "torch": "2.14.1"}
    config["data"]["train_split"] = "train"

    def changed(**changes):
        for key, value in changes.items():
            section, name = key.split("__")
            config[section][name] = value
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        return run

    return changed


@contextmanager
def stages_of(run):
    """The stages in eval.json, to be changed."""
    table = json.loads((run / "eval.json").read_text())
    yield table["scenes"]["val"]
    (run / "eval.json").write_text(json.dumps(table))


def card_of(run, sees=True):
    return ModelCard.load(write_model_card(run, load_card("aokvqa_mc"), sees))


def test_the_hub_reads_its_fields(finished):
    data = card_of(finished(model__checkpoint="llava-hf/llava-1.5-7b-hf", data__root="HuggingFaceM4/A-OKVQA")).data
    assert data.base_model == "llava-hf/llava-1.5-7b-hf" and data.datasets == ["HuggingFaceM4/A-OKVQA"]
    assert (data.library_name, data.pipeline_tag) == ("transformers", "image-text-to-text")
    assert (data.license, data.license_name) == ("other", "see-base-model")
    results = {result.metric_type: result for result in data.eval_results}
    assert results["accuracy"].metric_value == 0.746 and results["accuracy"].dataset_split == "val"


def test_a_folder_that_lies_here_is_no_name_of_the_hub(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("checkpoints/tiny-llava-scenes", "data/scenes"):
        (tmp_path / folder).mkdir(parents=True)
    data = card_of(finished(), sees=False).data
    assert data.base_model is None and data.datasets is None and data.pipeline_tag == "text-generation"


def test_the_licence_of_a_base_that_lies_here_is_kept(finished, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/README.md").write_text("---\nlicense: mit\n---\nwords")
    assert card_of(finished(model__checkpoint=str(tmp_path / "base"))).data.license == "mit"


def test_the_text_says_data_method_teacher_figures_and_licence(finished):
    text = card_of(finished()).text
    for said in ("A-OKVQA, multiple choice", "ldl_grpo", "gpt-4o <b>, 64 answers, 61 trained on", "Apache-2.0"):
        assert said in text
    assert "| Accuracy | val | 74.6 | 70.6 to 78.6 |" in text
    assert "preference-optimised" in text
    assert "preference-optimised" not in card_of(finished(stage2__method="sft")).text


def test_a_run_without_an_evaluation(finished):
    run = finished()
    (run / "eval.json").unlink()
    card = card_of(run)
    assert "Not evaluated." in card.text and not card.data.eval_results


def test_the_same_figures_stand_in_both_parts(finished):
    run = finished()
    with stages_of(run) as stages:
        stages["stage2"]["chrf"] = {"value": 41.25, "low": 40.0, "high": 42.5, "n": 500}
    shutil.rmtree(run / "images")
    assert "| chrF of explanations | val | 41.2 | 40.0 to 42.5 |" in card_of(run).text


def test_the_card_is_of_the_last_stage_of_the_run_itself(finished):
    run = finished()
    with stages_of(run) as stages:
        for name in ("student", "other", "judged"):
            stages[name] = {"accuracy": {"value": 0.123, "low": 0.1, "high": 0.2, "n": 9}}
        stages["stage1"] = stages.pop("stage1")
    card = card_of(run)
    assert "| Accuracy | val | 74.6 |" in card.text and "12.3" not in card.text
    with stages_of(run) as stages:
        del stages["stage2"]
    assert "| Accuracy | val | 53.1 |" in card_of(run).text
    with stages_of(run) as stages:
        del stages["stage1"], stages["pretrained"]
    assert "Not evaluated." in card_of(run).text


def test_a_figure_of_zero_and_one_without_an_interval_are_shown(finished):
    run = finished()
    with stages_of(run) as stages:
        stages["stage2"]["accuracy"] = {"value": 0.0, "low": 0.0, "high": 0.0, "n": 500}
        stages["stage2"]["win_rate"] = {"value": 0.5, "low": None, "high": None, "n": 1}
    card = card_of(run)
    assert "| Accuracy | val | 0.0 | 0.0 to 0.0 |" in card.text
    assert "| Win rate against the reference | val | 50.0 | - |" in card.text
    assert {result.metric_type: result.metric_value for result in card.data.eval_results}["accuracy"] == 0


def test_the_gain_from_sight_is_of_the_metric_that_is_there(finished):
    run = finished()
    gain = "| Gain in {} from sight | val | 47.8 |"
    assert gain.format("accuracy") in card_of(run).text
    with stages_of(run) as stages:
        stages["stage2"]["rouge_l"] = stages["stage2"].pop("accuracy")
    card = card_of(run)
    assert gain.format("ROUGE-L") in card.text and "accuracy from sight" not in card.text
    names = [result.metric_name for result in card.data.eval_results]
    assert "Gain in ROUGE-L from sight" in names
