"""A job that ends exactly where one part hands over to the next, in this process to hit the place."""

import os
import shutil
import signal

import pytest

from tests.run.jobs import config_of, figures, lines, same_bits, weights
from vlrlcd.data import images
from vlrlcd.errors import UserError
from vlrlcd.processes.stopping import Stopped
from vlrlcd.trainer import Trainer, train

RESUME = {"run.name": "it", "run.resume": "true"}


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


@pytest.fixture(scope="module")
def expected(inputs, tmp_path_factory, distributed):
    return train(config_of(inputs, {"run.root": tmp_path_factory.mktemp("expected")}), "it")


def killed_when(monkeypatch, condition):
    stand_at = Trainer._stand_at

    def killing(self, **place):
        if condition(place):
            raise Killed
        stand_at(self, **place)

    monkeypatch.setattr(Trainer, "_stand_at", killing)


@pytest.mark.parametrize("place", ["stage2", "done"])
def test_killed_after_an_export_and_before_its_place_is_written(here, tmp_path, handlers, expected, monkeypatch, place):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now["stage"] == place and now["step"] == 0)
        train(config_of(here, {"run.name": "it"}), "it")
    train(config_of(here, RESUME), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)


def test_killed_while_a_checkpoint_is_written(here, tmp_path, handlers, expected, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now.get("tag") == "stage2-000002")
        train(config_of(here, {"run.name": "it", "run.save_every": 1}), "it")
    train(config_of(here, RESUME, {"run.save_every": 1}), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert lines(tmp_path / "it/samples.jsonl") == lines(expected / "samples.jsonl")


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_stop_at_the_last_step_of_a_stage_saves_that_step(here, tmp_path, handlers, expected, monkeypatch, stage):
    log = Trainer._log

    def asking(self, bar, now, step, *rest):
        log(self, bar, now, step, *rest)
        if now == stage and step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Trainer, "_log", asking)
        train(config_of(here, {"run.name": "it", "run.save_every": 0}), "it")

    stepped = []
    monkeypatch.setattr(Trainer, "_log", lambda self, *given: (stepped.append(given[1:3]), log(self, *given)))
    train(config_of(here, RESUME), "it")
    assert (stage, 2) not in stepped
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(here, tmp_path, handlers, expected):
    train(config_of(here, {"run.name": "it"}), "it")
    train(config_of(here, RESUME), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)


def test_a_stop_while_an_image_is_decoded_is_no_bad_image(here, tmp_path, handlers, expected, monkeypatch):
    rgb = images._rgb

    def asking(image):
        os.kill(os.getpid(), signal.SIGTERM)
        return rgb(image)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(images, "_rgb", asking)
        train(config_of(here, {"run.name": "it"}), "it")
    train(config_of(here, RESUME), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))


def test_a_checkpoint_that_is_gone_is_named(here, tmp_path, handlers, distributed, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now.get("tag") == "stage1-000002")
        train(config_of(here, {"run.name": "it", "run.save_every": 1}), "it")
    shutil.rmtree(tmp_path / "it/checkpoints/stage1-000001")
    with pytest.raises(UserError, match=r"stage1-000001 is missing: restore it from a copy, or start a new run"):
        train(config_of(here, RESUME, {"run.save_every": 1}), "it")
