"""scripts/compare.py: what it lists, what it refuses, and whole comparisons with real runs."""

import importlib.util
import json
import os
import re
import signal
import sys
import time

import pytest
import yaml

from tests.comparison.folders import planned, write_asked, write_cell, write_plan
from tests.run.jobs import FEW, ROOT, finish, launch, lines
from tests.run.refusals import sentence
from tests.tiny import tiny_llava
from vlrlcd.cli import run
from vlrlcd.scenes.release import write_release


@pytest.fixture
def compare(monkeypatch, capsys):
    """Runs the script's main in this process: (exit code, stdout, stderr)."""
    spec = importlib.util.spec_from_file_location("compare_script", ROOT / "scripts/compare.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    kept = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}

    def called(path, *flags):
        monkeypatch.setattr(sys, "argv", ["compare.py", str(path), f"--root={path.parent}", *flags])
        code = 0
        try:
            run(script.main)
        except SystemExit as leaving:
            code = leaving.code
        return code, *capsys.readouterr()

    yield called
    for name, handler in kept.items():
        signal.signal(name, handler)


REFUSED = {
    "nothing at once": (["--parallel=0"], {}, r"--parallel=0 must be at least 1"),
    "both": (["--table", "--dry-run"], {}, r"--dry-run and --table do not go together"),
    "no trial": (["--trial"], {"trial": ...}, r"has no trial seeds: add `trial`, or leave --trial out"),
    "no expression": (["--only=("], {}, r"--only=\( is no regular expression"),
    "no such cell": (["--only=lld"], {}, r"--only=lld matches no cell, such as "),
}


@pytest.mark.parametrize("flags, changes, told", REFUSED.values(), ids=REFUSED)
def test_a_flag_that_cannot_be(compare, tmp_path, flags, changes, told):
    code, _, err = compare(write_plan(tmp_path, **changes), *flags)
    assert re.search(told, sentence(code, err))
    assert [path.name for path in tmp_path.iterdir()] == ["tried.yaml"]


def test_a_dry_run_lists_what_is_done_and_about_how_long_the_rest_takes(compare, tmp_path):
    _, found = planned(tmp_path)
    write_cell(found["few/sft/1"], [1.0])
    history = {"job": "few/sft/1", "outcome": "done", "seconds": 90.0, "reason": "", "log": "", "ended": ""}
    (tmp_path / "tried/jobs.jsonl").write_text(json.dumps(history) + "\n")
    code, out, _ = compare(write_plan(tmp_path), "--dry-run", "--only=few/(sft|as_long)/.$")
    listed = {line[11:].split("  ")[0]: line for line in out.splitlines()}
    assert code == 0 and listed["few/sft/1"].startswith("done")
    assert listed["few/sft/2"].startswith("to do") and listed["few/sft/2"].endswith("  about 90 s")
    # what a wanted cell follows from is run with it
    assert listed["few/ldl/1"] == "to do      few/ldl/1"
    assert listed["many/sft/1"].startswith("not wanted")
    assert out.endswith("1 to do in about 2 minutes with 1 at once\n6 to do of which none like it has been run yet\n")


def test_the_table_alone(compare, tmp_path):
    _, found = planned(tmp_path)
    for row in ("sft", "longer"):
        write_cell(found[f"few/{row}/1"], [1.0, 0.0])
        write_asked(found[f"few/{row}/1"], {"new": 1.0})
    code, out, _ = compare(write_plan(tmp_path), "--table")
    left = [line.rsplit("/")[-1] for line in out.splitlines()]
    assert code == 0 and left == ["results.md", "results.csv", "results.svg, .png"]
    assert "`best`, seed 1: `sft`, by 1 other questions" in (tmp_path / "tried/results.md").read_text()


def test_a_sweep_s_cell_that_was_run_otherwise_is_refused_without_the_sweep_too(compare, tmp_path):
    write_cell(planned(tmp_path)[1]["few/ranking.gamma=2.0/1"], [1.0])
    keys = {"ranking.gamma": {"values": [2.0], "also": {"ranking.tau": 0.75}}}
    path = write_plan(tmp_path, sweep={"row": "ldl", "regimes": ["few"], "keys": keys})
    code, _, err = compare(path, "--table")
    assert "was run with ranking.tau = 0.5, and the comparison says 0.75" in sentence(code, err)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The keys of a comparison of runs of two steps a stage."""
    folder = tmp_path_factory.mktemp("inputs")
    write_release(folder / "scenes", "train", 8, seed=0)
    write_release(folder / "scenes", "val", 6, seed=0)
    write_release(folder / "others", "val", 6, seed=1)
    checkpoint = tiny_llava(folder / "student")
    settings = {**{key: str(value) for key, value in FEW.items() if key != "run.trackers"}, "run.trackers": []}
    settings |= {"data.root": str(folder / "scenes"), "model.checkpoint": str(checkpoint), "evaluation.controls": []}
    settings |= {"evaluation.direct": False, "evaluation.limit": 6}
    chosen = {"among": ["sft", "longer"], "settings": {"data.root": str(folder / "others")}}
    return {
        "config": str(ROOT / "configs/quickstart.yaml"),
        "settings": settings,
        "regimes": {"few": {}},
        "rows": {"sft": {"stage2.method": "sft"}, "longer": {"stage2.method": "sft_sft"}, "best": {"chosen": chosen}},
        "contrasts": [["longer", "sft"]],
        "sweep": ...,
    }


def test_a_cell_runs_and_is_not_run_again(compare, tiny, tmp_path):
    path = write_plan(tmp_path, **tiny)
    code, _, err = compare(path, "--only=few/sft/1$")
    assert code == 0, err
    cell = tmp_path / "tried/few/sft/1"
    facts = json.loads((cell / "run.json").read_text())
    assert facts["peak_bytes"]["ram"] > 2**26
    assert yaml.safe_load((cell / "config.yaml").read_text())["run"]["seed"] == 1
    assert [line["outcome"] for line in lines(tmp_path / "tried/jobs.jsonl")] == ["done"]
    written = (cell / "run.json").stat().st_mtime_ns
    code, _, err = compare(path, "--only=few/sft/1$")
    assert code == 0 and (cell / "run.json").stat().st_mtime_ns == written
    assert "| `sft` |" in (tmp_path / "tried/results.md").read_text()


@pytest.mark.slow
def test_a_whole_comparison_with_a_kill_and_a_cell_that_fails(tiny, tmp_path):
    rows = {**tiny["rows"], "bad": {"stage2.method": "sft", "model.checkpoint": "/nowhere"}}
    # the seeds' own settings would overrule the row's checkpoint
    path = write_plan(tmp_path, **{**tiny, "rows": rows, "seeds": {"1": {"run.seed": 1}, "2": {"run.seed": 2}}})
    flags = [str(path), f"--root={tmp_path}", "--parallel=2"]
    process = launch([], "scripts/compare.py", *flags)
    begun = tmp_path / "tried/few/longer/1/metrics.jsonl"
    deadline = time.monotonic() + 240
    while not lines(begun) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    finish(process)
    code, out, err = finish(launch([], "scripts/compare.py", *flags, "--dry-run"))
    assert code == 0 and "to do      few/longer/1" in out, err
    # a cell that the killed one left behind is waited for
    while "being worked in" in (told := finish(launch([], "scripts/compare.py", *flags), 400))[2]:
        time.sleep(1)
    code, out, err = told
    assert code == 1 and "2 failed, see" in err
    page = (tmp_path / "tried/results.md").read_text()
    assert "4 of 6 are finished" in page and page.count("| few/bad/") == 2 and "/nowhere" in page
    assert page.count("`best`, seed") == 2
    for row in ("sft", "longer"):
        assert [line["step"] for line in lines(tmp_path / f"tried/few/{row}/1/metrics.jsonl")] == (
            [0, 1] if row == "sft" else [0, 1, 0, 1]
        )
