"""Every method trains, from the same loop, and moves the student; what it needs is checked at the start."""

import pytest

from tests.run.jobs import config_of, lines
from vlrlcd.methods import METHODS
from vlrlcd.trainer import train

WITH_CANDIDATES = [name for name, method in METHODS.items() if method and method.supervision]
DRAWN = {"single_pair_dpo": 4, "self_ppo": 4}
"""Answers of a step of 4 prompts; the others draw K = 4 of each."""


@pytest.fixture(scope="module")
def stage1(inputs, distributed, tmp_path_factory):
    return tmp_path_factory.mktemp("methods")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains(inputs, distributed, tmp_path, name):
    settings = {
        "judge.kind": "rule",
        "stage2.method": name,
        "stage2.learning_rate": 1e-2,
        "evaluation.split": "",
        "data.train_limit": 8,
    }
    run = train(config_of(inputs, settings, {"run.root": tmp_path}), "it")
    steps = [row for row in lines(run / "metrics.jsonl") if row["stage"] == "stage2"]
    assert len(steps) == (0 if name == "sft" else 2)
    assert (run / "student" / "model.safetensors").is_file()
    if name in WITH_CANDIDATES:
        assert [row["drawn"] for row in steps] == [DRAWN.get(name, 16)] * 2
        assert steps[0]["kl"] == pytest.approx(0, abs=1e-6) and steps[1]["kl"] > 0
