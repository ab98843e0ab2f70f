"""A comparison's file: what it may say, and in which sentence it is refused."""

import re
from pathlib import Path

import pytest

from tests.comparison.folders import PLAN, write_plan
from vlrlcd.comparison.cells import cells
from vlrlcd.comparison.jobs import jobs
from vlrlcd.comparison.plan import Panel, SameSeconds, load_comparison
from vlrlcd.errors import UserError

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "configs/comparisons").glob("*.yaml"))


def test_what_the_file_says(tmp_path):
    plan = load_comparison(write_plan(tmp_path))
    assert plan.name == "tried" and list(plan.rows) == list(PLAN["rows"])
    assert plan.rows["ldl"].settings == {"stage2.method": "ldl_grpo", "stage2.epochs": 3}
    assert plan.rows["longer"].epochs_times == 2
    assert plan.rows["as_long"].same_seconds == SameSeconds("ldl", "longer")
    assert plan.rows["best"].chosen.among == ["sft", "longer"]
    assert plan.sweep.keys["ranking.gamma"] == Panel([2.0], {"ranking.tau": 0.5})
    swept = {row.name: row.settings for row in plan.swept_rows}
    assert list(swept) == ["stage2.beta=0.0", "stage2.beta=0.1", "ranking.gamma=2.0"]
    assert swept["ranking.gamma=2.0"].items() >= {"ranking.tau": 0.5, "ranking.gamma": 2.0, "stage2.epochs": 3}.items()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_of_the_repository_can_be_run(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = load_comparison(path)
    for trial in (False, True):
        assert jobs(plan, cells(plan, trial, with_sweep=True))


def row(**given):
    return {"rows": {**PLAN["rows"], "mine": given}}


def sweep(**given):
    return {"sweep": {**PLAN["sweep"], **given}}


BAD = {
    "unknown key": ({"regime": {}}, r"unknown key 'regime'; did you mean 'regimes'\?"),
    "missing key": ({"seeds": ...}, r"key 'seeds' is missing; add it"),
    "wrong type": ({"rows": ["sft"]}, r"key 'rows' must be a mapping that is not empty, but is \['sft'\]"),
    "empty": ({"metrics": []}, r"key 'metrics' must be a list that is not empty"),
    "a number as name": ({"seeds": {1: {}}}, r"1 becomes the name of a folder: take a string .* in quotes"),
    "a path as name": ({"regimes": {"../up": {}}}, r"'\.\./up' becomes the name of a folder"),
    "unknown setting": (
        row(**{"stage2.epoch": 1}),
        r"row mine: unknown setting 'stage2\.epoch'; did you mean 'stage2\.ep",
    ),
    "own setting": (row(**{"run.name": "x"}), r"row mine: run\.name is the comparison's own: leave it out"),
    "no settings": ({"regimes": {"few": 3}}, r"few: must hold `section\.key: value` lines, but holds 3"),
    "no row": ({"rows": {"sft": 3}}, r"row sft: must hold `section\.key: value` lines, but holds 3"),
    "chosen and set": (
        row(**{"stage2.beta": 0, "chosen": PLAN["rows"]["best"]["chosen"]}),
        r"row mine: a chosen row is one of the others and takes no settings",
    ),
    "length said twice": (
        row(**{"stage2.epochs": 2, "epochs_times": 2}),
        r"row mine: same_seconds, epochs_times and stage2\.epochs say the same thing: leave out all but one",
    ),
    "no length": (row(epochs_times=0), r"row mine: epochs_times must be a number above 0, but is 0"),
    "unknown row": ({"references": ["sfd"]}, r"references: unknown row 'sfd'; did you mean 'sft'\?"),
    "unknown row of a contrast": ({"contrasts": [["sft", "x"]]}, r"contrasts: unknown row 'x'; known: sft, longer"),
    "no pair": ({"contrasts": [["sft"]]}, r"contrasts: \['sft'\] must be two rows, as in \[ldl_grpo, sft\]"),
    "measured by a measured one": (
        row(same_seconds={"of": "as_long", "pace": "longer"}),
        r"row mine: as_long follows from other rows itself: name one with settings",
    ),
    "unknown row to choose": (
        row(chosen={"among": ["none"], "settings": {}}),
        r"row mine: unknown row 'none'",
    ),
    "unknown way": (
        row(same_seconds={"off": "ldl"}),
        r"row mine, same_seconds: unknown key 'off'; did you mean 'of'\?",
    ),
    "no way": (row(same_seconds=3), r"row mine, same_seconds must hold the keys of, pace"),
    "sweep of nothing": (sweep(row="x"), r"sweep: unknown row 'x'"),
    "sweep of an unknown seed": (sweep(seeds=["7"]), r"sweep: unknown seed '7'"),
    "sweep nowhere": (sweep(regimes=["x"]), r"sweep: unknown regime 'x'"),
    "sweep of a chosen row": (sweep(row="best"), r"sweep: best follows from other rows"),
    "sweep of an unknown key": (sweep(keys={"beta": {"values": [1]}}), r"sweep: unknown setting 'beta'"),
    "sweep without values": (
        sweep(keys={"stage2.beta": {"values": []}}),
        r"sweep of stage2\.beta: key 'values' must be",
    ),
    "build": ({"builds": {"x": "make x"}}, r"builds: x must hold a list of strings: a script and its flags"),
    "build of nothing": ({"builds": {"x": ["scripts/a.py"]}}, r"builds: x must hold \{out\} where the script takes"),
    "a seed twice": ({"trial": {"1": {"run.seed": 1}}}, r"1 stands among both seeds and trial"),
}


@pytest.mark.parametrize("changes, told", BAD.values(), ids=BAD)
def test_a_bad_file_ends_in_one_sentence(tmp_path, changes, told):
    path = write_plan(tmp_path, **changes)
    with pytest.raises(UserError, match=told) as refused:
        load_comparison(path)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


@pytest.mark.parametrize("text, told", [("a: [", "is not valid YAML"), ("- a", "must hold the keys config, settings")])
def test_a_file_of_another_form(tmp_path, text, told):
    (path := tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(UserError, match=f"{re.escape(str(path))}.* {told}"):
        load_comparison(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="none.yaml: the comparison cannot be read"):
        load_comparison(tmp_path / "none.yaml")
