"""Methods on two processes under ZeRO-3 learn what they learn on one; shares are uneven, and one judge is asked."""

import pytest

from tests.run.jobs import deepspeed, figures, finish, flags, largest_gap, launch, weights
from vlrlcd.methods import METHODS

FIVE = {
    "stage1.prompts_per_step": 5,
    "stage2.prompts_per_step": 5,
    "stage2.learning_rate": 1e-3,
    "stage2.updates": 2,
    "evaluation.split": "",
    "judge.kind": "rule",
}


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method and method.supervision])
def test_two_processes_are_one(inputs, zero_files, tmp_path, method):
    zero3 = {"engine.deepspeed": zero_files["zero3"]}
    for processes, zero in ((1, {}), (2, zero3)):
        settings = {**inputs, **FIVE, **zero, "stage2.method": method, "run.root": tmp_path, "run.name": processes}
        code, _, err = finish(launch(deepspeed(processes), "scripts/train.py", *flags(settings)))
        assert code == 0, err
    one, two = tmp_path / "1", tmp_path / "2"
    for line, other in zip(figures(two), figures(one), strict=True):
        for key, value in other.items():
            assert line[key] == (pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, float) else value), key
    assert largest_gap(weights(two).values(), weights(one).values()) < 1e-4
