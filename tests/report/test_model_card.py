"""The card of a student, read back as the Hub reads it."""

import json
import shutil

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
    assert "| Accuracy, multiple choice (official rule) | val | 74.6 | 70.6 to 78.6 |" in text
    assert "preference-optimised" in text
    assert "preference-optimised" not in card_of(finished(stage2__method="sft")).text


def test_a_run_without_an_evaluation(finished):
    run = finished()
    (run / "eval.json").unlink()
    card = card_of(run)
    assert "Not evaluated." in card.text and not card.data.eval_results


def test_the_same_figures_stand_in_both_parts(finished):
    run = finished()
    table = json.loads((run / "eval.json").read_text())
    table["scenes"]["val"]["stage2"]["chrf"] = {"value": 41.25, "low": 40.0, "high": 42.5, "n": 500}
    (run / "eval.json").write_text(json.dumps(table))
    shutil.rmtree(run / "images")
    assert "| chrF of explanations | val | 41.2 | 40.0 to 42.5 |" in card_of(run).text
