"""A fault in configuration or checkpoint ends in one sentence that names key and cure, before a weight is read."""

import json
import re

import pytest
import yaml

from model_adapters import known_model_types
from tests.run.jobs import ROOT
from tests.run.refusals import edit

SETTINGS = {
    "one candidate": ({"sampling.candidates": 1}, r"sampling\.candidates=1: .*2 or more"),
    "wrong type": ({"sampling.candidates": "many"}, r"sampling\.candidates.*many"),
    "impossible choice": ({"ranking.scorer": "likelyhood"}, r"ranking\.scorer.*likelyhood"),
    "no such DeepSpeed file": (
        {"engine.deepspeed": "zero9.json"},
        r"engine\.deepspeed: zero9\.json does not exist; .*zero1\.json",
    ),
    "nothing to resume": ({"run.name": "gone", "run.resume": "true"}, r"runs/gone holds no run to resume: check"),
    "resume without a name": ({"run.resume": "true"}, r"run\.resume needs run\.name"),
    "unknown dataset": ({"data.dataset": "aokvqa_mx"}, r"no dataset 'aokvqa_mx', did you mean 'aokvqa_mc'"),
    "unknown split": ({"evaluation.split": "vall"}, r"no split 'vall'; it has train, val"),
    "no such checkpoint": ({"model.checkpoint": "/nowhere/student"}, r"/nowhere/student"),
    "nothing trains": (
        {"model.projector": "frozen", "model.language_model": "frozen"},
        r"model\.vision_tower, model\.projector and model\.language_model are all frozen",
    ),
    "no such adapter": ({"model.adapter": "nowhere:Adapter"}, r"the adapter nowhere:Adapter cannot be imported"),
    "no such template": ({"model.chat_template": "gone.jinja"}, r"model\.chat_template=gone\.jinja cannot be read"),
    "pixels of a fixed size": ({"model.max_pixels": 1000}, r"leave out model\.min_pixels and model\.max_pixels"),
    "a warm-up without a verdict": (
        {"stage1.verdict_weight": 1, "ranking.scorer": "likelihood"},
        r"stage1\.verdict_weight=1\.0 warms up a verdict, and ranking\.scorer=likelihood asks for none",
    ),
    "misspelt flag": ({"stage2.bta": 0.1}, r"command line: unknown key 'stage2\.bta'; did you mean 'stage2\.beta'\?"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(refusal, bad, name):
    settings, said = SETTINGS[name]
    message = refusal(settings)
    assert re.search(said, message), message
    assert not (bad / "runs").exists()


def test_a_misspelt_key_in_yaml(refusal, bad):
    content = {"stage2": {"learning_rte": 1e-5}, "run": {"root": str(bad / "runs")}}
    (bad / "mine.yaml").write_text(yaml.safe_dump(content))
    message = refusal(extra=[f"--config={bad / 'mine.yaml'}"])
    assert re.search(r"mine\.yaml: unknown key 'stage2\.learning_rte'; did you mean 'stage2\.learning_rate'\?", message)


@pytest.mark.parametrize(
    ("content", "key"),
    [({"zero_optimisation": {"stage": 2}}, "'zero_optimisation'"), ({"zero_optimization": {"stge": 2}}, r"\.stge'")],
)
def test_a_misspelt_key_of_deepspeed(refusal, bad, content, key):
    (bad / "mine.json").write_text(json.dumps(content))
    message = refusal({"engine.deepspeed": bad / "mine.json"})
    assert re.search(rf"mine\.json: DeepSpeed knows no key .*{key} \(did you mean", message), message
    assert not (bad / "runs").exists()


def test_a_run_that_exists(refusal, bad):
    (bad / "runs/mine").mkdir(parents=True)
    (bad / "runs/mine/config.yaml").write_text("{}")
    message = refusal({"run.name": "mine"})
    assert re.search(r"runs/mine exists: add --run\.resume=true .*or choose another run\.name", message), message


def test_an_unknown_family(refusal, bad):
    edit(bad / "student/config.json", lambda config: {**config, "model_type": "vit"})
    message = refusal()
    assert "model_type 'vit'" in message
    assert all(family in message for family in known_model_types())


def test_a_vocabulary_that_splits_yes_and_no(refusal, bad):
    def cut(content):
        merges = [m for m in content["model"]["merges"] if not {"e", "o", "E", "O"} & set("".join(m))]
        kept = {token: i for token, i in content["model"]["vocab"].items() if not re.search("yes|no", token, re.I)}
        content["model"].update(merges=merges, vocab=kept)
        return content

    edit(bad / "student/tokenizer.json", cut)
    message = refusal({"ranking.scorer": "verdict"})
    assert "splits Yes or No into several tokens; use --ranking.scorer=likelihood" in message


def test_a_run_resumed_with_another_configuration(refusal, bad):
    (bad / "runs/mine").mkdir(parents=True)
    (bad / "runs/mine/config.yaml").write_text("stage2: {beta: 0.1}\nengine: {prompts_per_pass: 3}\n")
    message = refusal({"run.name": "mine", "run.resume": "true"})
    assert re.search(r"stage2\.beta is 0\.05 here, but .*mine/config\.yaml says 0\.1: resume with", message), message


def test_the_quickstart_draws_nothing_into_a_folder_of_the_users_own(refusal, bad, monkeypatch):
    monkeypatch.chdir(ROOT)
    (bad / "own").mkdir()
    message = refusal({"data.root": bad / "own"}, extra=["--config=configs/quickstart.yaml"])
    assert "holds neither" in message
    assert not list((bad / "own").iterdir())
