"""The quickstart with a tiny student of every family."""

import json

import pytest

from examples import internvl
from tests.run.jobs import beside_weights, config_of, figures, finish, largest_gap, start, weights
from tests.tiny import FAMILIES
from vlrlcd.trainer import train

SEEING = {name: write for name, write in FAMILIES.items() if name not in ("qwen2", "llama")}
READING = {name: FAMILIES[name] for name in ("qwen2", "llama")}
EYES = {"eyes.checkpoint": "checkpoints/tiny-clip-scenes", "eyes.labels": "checkpoints/tiny-clip-scenes/labels.yaml"}
KINDS = {
    **{name: (write, {}) for name, write in SEEING.items()},
    **{name: (write, EYES) for name, write in READING.items()},
    "internvl": (internvl.tiny_checkpoint, {"model.adapter": "examples.internvl:InternVLAdapter"}),
}


def settings_of(kind, folder):
    write, more = KINDS[kind]
    return {"model.checkpoint": write(folder / "student"), "run.root": folder, "run.name": "it", **more}


def assert_whole(run):
    assert [line["stage"] for line in figures(run)] == ["stage1"] * 3 + ["stage2"] * 3
    assert set(json.loads((run / "eval.json").read_text())["aokvqa_mc"]["val"]) == {"pretrained", "stage1", "stage2"}
    assert json.loads((run / "student/config.json").read_text())["model_type"]
    assert (run / "report.html").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_job(inputs, tmp_path, handlers, distributed, kind):
    train(config_of(inputs, settings_of(kind, tmp_path)), "it")
    assert_whole(tmp_path / "it")


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_real_command_leaves_the_same_student_on_one_process_and_on_two(inputs, tmp_path, kind, zero):
    settings = {**settings_of(kind, tmp_path), "engine.deepspeed": f"configs/deepspeed/zero{zero}.json"}
    for processes in (1, 2):
        where = {"run.root": tmp_path / str(processes)}
        code, out, err = finish(start(inputs, settings, where, processes=processes))
        assert code == 0, out + err
        assert_whole(tmp_path / f"{processes}/it")
    one, two = tmp_path / "1/it", tmp_path / "2/it"
    assert beside_weights(two / "student") == beside_weights(one / "student")
    assert largest_gap(weights(two).values(), weights(one).values()) < 1e-4
