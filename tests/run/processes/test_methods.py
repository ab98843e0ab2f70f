"""Methods on two processes under ZeRO-3 learn what they learn on one; shares are uneven, and one judge is asked."""

import pytest

from tests.run.jobs import ROOT, deepspeed, figures, finish, flags, largest_gap, launch, weights
from vlrlcd.methods import METHODS

FIVE = {
    "stage1.prompts_per_step": 5,
    "stage2.prompts_per_step": 5,
    "stage2.learning_rate": 1e-3,
    "stage2.updates": 2,
    "evaluation.split": "",
    "judge.kind": "rule",
}
# before the rule a student that knows nothing loses every game, and rounding alone would move it
KNOWS = {"model.checkpoint": ROOT / "checkpoints/tiny-llava-scenes", "sampling.max_new_tokens": 40}


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method and method.supervision])
def test_two_processes_are_one(inputs, zero_files, tmp_path, method):
    zero3, judged = {"engine.deepspeed": zero_files["zero3"]}, METHODS[method].supervision.judged
    for processes, zero in ((1, {}), (2, zero3)):
        settings = {
            **inputs,
            **FIVE,
            **(KNOWS if judged else {}),
            **zero,
            "stage2.method": method,
            "run.root": tmp_path,
            "run.name": processes,
        }
        code, _, err = finish(launch(deepspeed(processes), "scripts/train.py", *flags(settings)))
        assert code == 0, err
    one, two = tmp_path / "1", tmp_path / "2"
    for line, other in zip(figures(two), figures(one), strict=True):
        for key, value in other.items():
            assert line[key] == (pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, float) else value), key
    assert not judged or min(line["tied_share"] for line in figures(one) if line["stage"] == "stage2") < 1
    assert largest_gap(weights(two).values(), weights(one).values()) < 1e-4
