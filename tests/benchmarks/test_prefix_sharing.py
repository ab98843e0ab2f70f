"""The benchmark of a shared prefix runs, and refuses to time what is not equal."""

import pytest

from benchmarks import prefix_sharing

SMALL = "--threads 1 --prompts 2 --image-tokens 4 --text-tokens 8 --branches 2 --answer-tokens 3 --repeats 1"


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr("sys.argv", ["prefix_sharing", *SMALL.split()])
    return prefix_sharing.main


def test_both_sides_are_timed(run, capsys):
    run()
    said = capsys.readouterr().out
    assert "2 prompts of 12 tokens (4 image), K = 2, 3 answer tokens; log-probs equal within" in said
    assert all(f"\n{name}" in said for name in ("training", "scoring", "sampling"))


def test_other_log_probs_are_not_timed(run, monkeypatch):
    honest = prefix_sharing.Workload.shared_logps
    monkeypatch.setattr(prefix_sharing.Workload, "shared_logps", lambda work: honest(work) + 1e-3)
    with pytest.raises(SystemExit, match=r"log-probs differ by 1.0e-03, more than 1e-5: nothing to compare"):
        run()
