"""The real command on two and on four processes: the data of one process, its figures, and each file written once.

Sampled tokens are compared too: one drawn within rounding of a threshold would differ, bad luck of about 1e-6 a token.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.run.jobs import ROOT, beside_weights, deepspeed, figures, finish, flags, largest_gap, launch, lines, weights

AUDIT = Path(__file__).parent / "audit"
FIVE = {"stage1.prompts_per_step": 5, "stage2.prompts_per_step": 5, "stage2.epochs": 2, "evaluation.limit": 0}
"""Twelve prompts in steps of 5, 5 and 2: shares are uneven, and of the last step some of four processes get nothing."""


@pytest.fixture(
    scope="module", params=[(2, "zero3", "never"), pytest.param((4, "zero2", "auto"), marks=pytest.mark.slow)]
)
def jobs(request, inputs, zero_files, tmp_path_factory):
    """(run of one process, run of several, lines of the audit `rank path`)."""
    before = buffers()
    root, (several, zero, gather) = tmp_path_factory.mktemp("jobs"), request.param
    shared = {**inputs, **FIVE, "run.name": "it"}
    sharded = {"engine.deepspeed": zero_files[zero], "engine.gather": gather}
    audit = {"AUDIT": str(root / "audit"), "PYTHONPATH": f"{AUDIT}{os.pathsep}{ROOT}"}
    for processes, zero, more in ((1, {}, {}), (several, sharded, audit)):
        settings = {**shared, **zero, "run.root": root / str(processes)}
        code, _, err = finish(launch(deepspeed(processes), "scripts/train.py", *flags(settings), **more))
        assert code == 0, err
    assert not buffers() - before, "a process left its buffers in memory"
    written = [line.split(maxsplit=1) for line in (root / "audit").read_text().splitlines()]
    return root / "1/it", root / f"{several}/it", written


def test_each_prompt_is_seen_once_per_epoch_and_in_the_same_order(jobs):
    one, several, _ = (lines(run / "samples.jsonl") if isinstance(run, Path) else run for run in jobs)
    assert [group["step"] for group in several] == [0] * 5 + [1] * 5 + [2] * 2 + [3] * 5 + [4] * 5 + [5] * 2
    for epoch in (several[:12], several[12:]):
        assert len({group["id"] for group in epoch}) == 12
    assert [group["id"] for group in several] == [group["id"] for group in one]


def test_the_figures_and_the_student_are_those_of_one_process(jobs):
    one, several, _ = jobs
    for line, other in zip(figures(several), figures(one), strict=True):
        assert line.keys() == other.keys()
        for key, value in other.items():
            assert line[key] == (pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value), key
    assert largest_gap(weights(several).values(), weights(one).values()) < 1e-4
    for part in ("stage1", "student"):
        assert beside_weights(several / part) == beside_weights(one / part)
    for kind in ("eval.json", "predictions_val_stage1.json", "predictions_val_stage2.json"):
        assert (several / kind).read_text() == (one / kind).read_text()


def test_every_file_is_there_and_was_written_by_the_first_process_alone(jobs):
    one, several, written = jobs
    assert names(several) == names(one)
    mine = [(rank, path) for rank, path in written if Path(path).is_relative_to(several)]
    opened = Counter(path for rank, path in mine if rank == "0")
    for name in (
        "metrics.jsonl",
        "samples.jsonl",
        ".eval.json.partial",
        ".report.html.partial",
        ".config.yaml.partial",
    ):
        assert opened[str(several / name)], name
    assert {path for rank, path in mine if rank != "0"} <= {path for _, path in mine if "/checkpoints/" in path}


def buffers():
    # what other programs put there comes and goes
    return set(Path("/dev/shm").glob("deepspeed*"))


def names(run):
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
