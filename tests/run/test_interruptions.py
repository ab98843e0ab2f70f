"""Killed or asked to stop at any point, a job goes on to the very bits it would have reached."""

import signal
import time

import pytest

from tests.run.jobs import config_of, figures, finish, lines, same_bits, send_at, start, weights
from vlrlcd.trainer import train

LONGER = {"stage1.epochs": 4, "stage2.epochs": 4, "run.name": "it", "evaluation.limit": 2, "run.save_every": 3}
"""Twelve steps a stage: the middle is long enough to be hit."""
RESUME = {"run.resume": "true"}


@pytest.fixture(scope="module")
def uninterrupted(inputs, tmp_path_factory, distributed):
    """Run folders of uninterrupted jobs, by tuning."""
    done = {}

    def run(tuning):
        if tuning not in done:
            root = tmp_path_factory.mktemp(tuning)
            done[tuning] = train(config_of(inputs, LONGER, {"model.tuning": tuning, "run.root": root}), "it")
        return done[tuning]

    return run


def assert_same_run(run, expected):
    assert same_bits(weights(run), weights(expected))
    assert figures(run) == figures(expected)
    assert lines(run / "samples.jsonl") == lines(expected / "samples.jsonl")
    assert [(line["stage"], line["step"]) for line in figures(run)] == [
        (stage, step) for stage in ("stage1", "stage2") for step in range(12)
    ]


@pytest.mark.parametrize(
    ("tuning", "kills"),
    [
        ("full", [("stage1", 4), ("stage2", 7)]),
        pytest.param("lora", [("stage1", 7), ("stage2", 4)], marks=pytest.mark.slow),
    ],
)
def test_kill_9_in_the_middle_of_each_stage(here, tmp_path, handlers, uninterrupted, tuning, kills):
    settings, more = {**here, **LONGER, "model.tuning": tuning}, {}
    for stage, step in kills:
        process = start(settings, more)
        send_at(process, tmp_path / "it", stage, step, signal.SIGKILL)
        assert finish(process)[0] == -signal.SIGKILL
        assert not (tmp_path / "it/student").exists()
        more = RESUME
    code, _, err = finish(start(settings, RESUME))
    assert code == 0, err
    assert_same_run(tmp_path / "it", uninterrupted(tuning))


def test_sigterm_and_ctrl_c_save_and_leave(here, tmp_path, handlers, uninterrupted):
    settings, more = {**here, **LONGER, "run.save_every": 0}, {}
    for stage, sent in (("stage1", signal.SIGTERM), ("stage2", signal.SIGINT)):
        process = start(settings, more)
        send_at(process, tmp_path / "it", stage, 4, sent)
        asked = time.monotonic()
        code, out, err = finish(process)
        assert time.monotonic() - asked < 10
        assert code == 0
        assert "--run.name=it --run.resume=true" in out
        assert "Traceback" not in err
        reached = len(figures(tmp_path / "it"))
        assert reached not in (12, 24)
        more = RESUME
    code, out, err = finish(start(settings, RESUME))
    assert code == 0, err
    assert_same_run(tmp_path / "it", uninterrupted("full"))


@pytest.mark.slow
def test_ctrl_c_at_the_launcher_saves_too(here, tmp_path, handlers, uninterrupted):
    settings = {**here, **LONGER, "run.save_every": 0}
    process = start(settings, processes=1)
    send_at(process, tmp_path / "it", "stage2", 4, signal.SIGINT, group=True)
    assert "--run.name=it --run.resume=true" in finish(process)[1]
    code, _, err = finish(start(settings, RESUME))
    assert code == 0, err
    assert_same_run(tmp_path / "it", uninterrupted("full"))
