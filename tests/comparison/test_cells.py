"""With what a cell is run, and when it is refused."""

import json
from pathlib import Path

import pytest

from tests.comparison.folders import PLAN, planned, write_cell, write_plan
from vlrlcd.cli import parse_config, to_dict
from vlrlcd.comparison.cells import cells, same_seconds_epochs
from vlrlcd.comparison.jobs import jobs, with_needs
from vlrlcd.comparison.plan import load_comparison
from vlrlcd.errors import UserError

PER_REGIME = [f"{row}/{seed}" for row in ("sft", "longer", "ldl", "as_long") for seed in "12"]


def test_every_row_in_every_regime_with_every_seed(tmp_path):
    plan = load_comparison(write_plan(tmp_path))
    names = [cell.name for cell in cells(plan, trial=False, with_sweep=False)]
    assert names == [f"{regime}/{name}" for regime in ("few", "many") for name in PER_REGIME]
    swept = [cell.name for cell in cells(plan, trial=False, with_sweep=True)][len(names) :]
    assert swept == [
        f"few/{key}/{seed}" for key in ("stage2.beta=0.0", "stage2.beta=0.1", "ranking.gamma=2.0") for seed in "12"
    ]
    trial = cells(plan, trial=True, with_sweep=False)
    assert {cell.seed for cell in trial} == {"0"}
    assert {cell.folder.parents[2] for cell in trial} == {Path("comparisons/tried-trial")}


def test_a_sweep_of_some_seeds_leaves_the_table_s_seeds_alone(tmp_path):
    plan = load_comparison(write_plan(tmp_path, sweep={**PLAN["sweep"], "seeds": ["2"]}))
    found = [cell.name for cell in cells(plan, trial=False, with_sweep=True)]
    assert "few/ldl/1" in found and "few/stage2.beta=0.0/2" in found and "few/stage2.beta=0.0/1" not in found
    assert "few/stage2.beta=0.0/0" in [cell.name for cell in cells(plan, trial=True, with_sweep=True)]


def test_the_flags_give_the_configuration_that_is_wanted(tmp_path):
    _, found = planned(tmp_path)
    for name, epochs in (("few/longer/2", None), ("few/as_long/1", 7.5), ("few/ranking.gamma=2.0/1", None)):
        config = to_dict(parse_config("", argv=found[name].flags(epochs)))
        assert config["run"].pop("root") == str(found[name].folder.parent)
        assert config["run"].pop("name") == found[name].seed
        wanted = found[name].wanted(epochs)
        assert config == {**wanted, "run": {k: v for k, v in wanted["run"].items() if k not in ("root", "name")}}
    # twice the quickstart's 40, in the order of comparison, regime, row and seed
    longer = found["few/longer/2"].wanted()
    assert longer["stage2"]["epochs"] == 80 and longer["run"]["seed"] == 2 and longer["data"]["train_limit"] == 8


def test_a_cell_that_was_begun_goes_on(tmp_path):
    _, found = planned(tmp_path)
    cell = found["few/ldl/1"]
    assert "--run.resume=false" in cell.flags() and not cell.begun and not cell.finished
    write_cell(cell, [1.0])
    assert "--run.resume=true" in cell.flags() and cell.begun and cell.finished
    (cell.folder / "run.json").write_text("{}")
    assert cell.begun and not cell.finished


def test_epochs_of_the_same_seconds(tmp_path):
    _, found = planned(tmp_path)
    ldl, longer, sft = (found[f"few/{name}/1"] for name in ("ldl", "longer", "sft"))
    spent = {"stage1": {"seconds": 9.0, "judged": 0}, "stage2": {"seconds": 90.0, "judged": 0}}
    write_cell(ldl, [1.0], spent=spent)
    write_cell(longer, [1.0])
    write_cell(sft, [1.0])
    # 80 epochs took 30 s
    assert same_seconds_epochs(ldl, longer) == 240
    with pytest.raises(UserError, match="few/sft/1 has no stage II"):
        same_seconds_epochs(ldl, sft)


def test_a_changed_setting_is_refused_before_anything_runs(tmp_path):
    plan, found = planned(tmp_path)
    write_cell(found["few/ldl/1"], [1.0])
    assert jobs(plan, list(found.values()))
    changed = {**PLAN["rows"], "ldl": {**PLAN["rows"]["ldl"], "stage2.beta": 0.3}}
    plan, found = planned(tmp_path, rows=changed)
    with pytest.raises(UserError, match=r"few/ldl/1 was run with stage2\.beta = 0\.05, and the comparison says 0\.3"):
        jobs(plan, list(found.values()))


def test_a_measured_length_is_refused_once_it_is_another(tmp_path):
    plan, found = planned(tmp_path)
    write_cell(found["few/as_long/1"], [1.0], epochs=80.0)
    assert jobs(plan, list(found.values()))
    for name in ("ldl", "longer"):
        write_cell(found[f"few/{name}/1"], [1.0])
    assert jobs(plan, list(found.values()))
    run = found["few/ldl/1"].folder / "run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "spent": {"stage2": {"seconds": 60.0}}}))
    with pytest.raises(UserError, match=r"stage2\.epochs = 80\.0, and the comparison says 160\.0"):
        jobs(plan, list(found.values()))


def test_an_impossible_value_is_told_before_anything_runs(tmp_path):
    plan, found = planned(tmp_path, rows={**PLAN["rows"], "mine": {"stage2.beta": -1}})
    with pytest.raises(UserError, match=r"stage2\.beta=-1.* must not be negative"):
        jobs(plan, list(found.values()))


def test_what_a_row_follows_from_comes_before_it(tmp_path):
    builds = {"elsewhere": ["scripts/draw_scenes.py", "--out", "{out}"], "unused": ["scripts/draw_scenes.py", "{out}"]}
    plan, found = planned(tmp_path, builds=builds)
    known = jobs(plan, list(found.values()))
    wanted = [job for job in known if job.name.startswith(("few/as_long/2", "many/longer/1/asked"))]
    names = [job.name.split("/asked")[0] for job in with_needs(wanted, known)]
    assert names == [
        "build elsewhere", "few/longer/2", "few/ldl/2", "few/as_long/2", "many/longer/1", "many/longer/1"
    ]  # fmt: skip
    assert "build unused" not in [job.name for job in known]


def test_a_script_that_is_not_there(tmp_path):
    plan, found = planned(tmp_path, builds={"x": ["scripts/none.py", "{out}"]})
    with pytest.raises(UserError, match=r"builds: x is to be made by scripts/none\.py, and there is no such script"):
        jobs(plan, list(found.values()))
