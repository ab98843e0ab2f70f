"""What a run folder refuses to go on with."""

import json

import pytest

from tests.run.jobs import config_of
from vlrlcd import run_folder
from vlrlcd.checkpoints import seal
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
