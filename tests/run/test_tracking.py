"""Figures under the same names everywhere."""

import time

import pytest
import wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vlrlcd import tracking
from vlrlcd.config import Config
from vlrlcd.errors import UserError
from vlrlcd.tracking import check_trackers, trackers_for


def config_of(*trackers):
    config = Config()
    config.run.trackers = list(trackers)
    return config


def log(tracker):
    tracker.log("stage2", 0, {"loss": 0.5, "auc": None, "seconds/rank": 0.25})
    tracker.log("stage2", 1, {"loss": 0.25, "auc": 0.75})
    tracker.close()


def test_tensorboard(tmp_path):
    (tracker,) = trackers_for(config_of("tensorboard"), tmp_path)
    log(tracker)
    events = EventAccumulator(str(tmp_path / "tensorboard/stage2")).Reload()
    found = {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert found == {"loss": [(0, 0.5), (1, 0.25)], "auc": [(1, 0.75)], "seconds/rank": [(0, 0.25)]}


def test_an_evaluation_after_a_kill_leaves_the_curves(tmp_path):
    for steps, evaluated in ((range(3), False), (range(2, 4), False), ((), True)):
        # files are read in the order of their names, which begin with the second
        time.sleep(1.1 if list(tmp_path.rglob("events.*")) else 0)
        (tracker,) = trackers_for(config_of("tensorboard"), tmp_path)
        for step in steps:
            tracker.log("stage2", step, {"loss": 1.0 / (step + 1)})
        if evaluated:
            tracker.log_evaluation("stage2", {"val/accuracy": 0.5, "val/nothing": None})
        tracker.close()
    events = EventAccumulator(str(tmp_path / "tensorboard/stage2")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [0, 1, 2, 3]
    assert [(event.step, event.value) for event in events.Scalars("val/accuracy")] == [(0, 0.5)]
    assert "val/nothing" not in events.Tags()["scalars"]


def test_wandb_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tracker,) = trackers_for(config_of("wandb"), tmp_path)
    log(tracker)
    (written,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    names = (b"stage2/loss", b"stage2/auc", b"stage2/seconds/rank", b"stage2/step", b"ldl_grpo")
    # a process of its own writes the file, and on a busy machine takes its time
    deadline = time.monotonic() + 30
    while not all(name in written.read_bytes() for name in names) and time.monotonic() < deadline:
        time.sleep(0.1)
    for name in names:
        assert name in written.read_bytes()


def test_none_is_none(tmp_path):
    assert trackers_for(config_of(), tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_library_that_is_not_installed_is_named_before_any_work(monkeypatch):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    check_trackers(config_of("tensorboard"))
    with pytest.raises(UserError, match="run.trackers names wandb, which is not installed: pip install wandb"):
        check_trackers(config_of("wandb"))


def test_wandb_without_a_login_is_refused_before_any_work(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    wandb.teardown()
    said = "run.trackers names wandb, which is not logged in .*: run wandb login, or set WANDB_MODE=offline"
    with pytest.raises(UserError, match=said):
        check_trackers(config_of("wandb"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb.teardown()
    check_trackers(config_of("wandb"))
