"""What a run folder refuses to go on with, and what a kill leaves of its files."""

import json

import pytest
import yaml

from tests.run.jobs import config_of, lines
from vlrlcd import run_folder
from vlrlcd.checkpoints import seal
from vlrlcd.cli import to_dict
from vlrlcd.errors import UserError
from vlrlcd.run_folder import RunFolder, provenance

LAYOUT = {"descriptions": "abc", "other words": "def"}


@pytest.fixture
def resumed(here):
    """Opens again the folder of a run whose place holds the given keys."""

    def opened(**place):
        settings = {**here, "run.name": "it"}
        begun = RunFolder(config_of(settings), "it", LAYOUT)
        (begun.path / "checkpoints/stage1").mkdir(parents=True)
        seal(begun.path / "checkpoints/stage1", [])
        (begun.path / "place.json").write_text(json.dumps({"stage": "stage1", "step": 2, "tag": "stage1", **place}))
        return RunFolder(config_of(settings, {"run.resume": "true"}), "it", LAYOUT)

    return opened


@pytest.mark.parametrize("place", [{}, {"layout": {}}, {"layout": {"descriptions": "abc"}}, {"layout": LAYOUT}])
def test_a_layout_that_was_not_recorded_counts_as_unchanged(resumed, place):
    assert resumed(**place).place["step"] == 2


def test_a_layout_that_changed_is_refused(resumed):
    with pytest.raises(
        UserError, match=r"checkpoints/stage1 was written with descriptions = xyz, and now it is abc: resume"
    ):
        resumed(layout={"descriptions": "xyz"})


@pytest.mark.parametrize(
    ("processes", "threads", "said"),
    [(1, 1, "1 process of 1 thread"), (1, 8, "1 process of 8 threads"), (2, 1, "2 processes of 1 thread")],
)
def test_the_hardware_is_said_in_words(monkeypatch, processes, threads, said):
    monkeypatch.setattr(run_folder.ranks, "count", lambda: processes)
    monkeypatch.setattr(run_folder.torch, "get_num_threads", lambda: threads)
    assert provenance()["machine"].endswith(f", {said}")


def test_a_kill_while_the_configuration_is_written_leaves_no_run(here, tmp_path, killed_at_half):
    config = config_of(here, {"run.name": "it", "run.resume": "auto"})
    killed_at_half(lambda: RunFolder(config, "it", LAYOUT))
    RunFolder(config, "it", LAYOUT)
    found = yaml.safe_load((tmp_path / "it/config.yaml").read_text())
    assert found.pop("provenance") and found == yaml.safe_load(yaml.safe_dump(to_dict(config)))


def test_a_kill_while_set_aside_prompts_are_listed_loses_none(here, tmp_path, killed_at_half):
    folder, left_out = RunFolder(config_of(here, {"run.name": "it"}), "it", LAYOUT), [{"id": "a"}, {"id": "b"}]
    killed_at_half(lambda: folder.save_set_aside(left_out))
    folder.save_set_aside(left_out)
    assert lines(tmp_path / "it/set_aside.jsonl") == left_out
