"""eval.json: what is replaced, what stays, and nothing lost between commands."""

import json
from multiprocessing.pool import ThreadPool

from vlrlcd.evaluation.table import OF_A_JUDGE, add_metrics, put_evaluation, read_table

ONE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}


def test_an_evaluation_replaces_all_but_what_a_judge_found(tmp_path):
    path, place = tmp_path / "eval.json", ("scenes", "val", "stage2")
    judged = {"win_rate": ONE, "win_rate_length_controlled": ONE, "judge_unparsable": ONE}
    assert all(name.startswith(OF_A_JUDGE) for name in judged)
    put_evaluation(path, "scenes", "val", "stage1", {"clip_score": ONE})
    put_evaluation(path, *place, {"accuracy": ONE, "clip_score": ONE})
    add_metrics(path, *place, judged, instead_of=OF_A_JUDGE)
    put_evaluation(path, *place, {"accuracy": {**ONE, "value": 0.7}})
    assert read_table(path)["scenes"]["val"] == {
        "stage1": {"clip_score": ONE},
        "stage2": {**judged, "accuracy": {**ONE, "value": 0.7}},
    }
    add_metrics(path, *place, {"win_rate": ONE}, instead_of=OF_A_JUDGE)
    assert read_table(path)["scenes"]["val"]["stage2"].keys() == {"accuracy", "win_rate"}


def test_commands_at_the_same_time_lose_no_stage(tmp_path):
    path, stages = tmp_path / "eval.json", [f"stage{number}" for number in range(40)]
    with ThreadPool(8) as pool:
        pool.map(lambda stage: put_evaluation(path, "scenes", "val", stage, {"accuracy": ONE}), stages)
    assert sorted(json.loads(path.read_text())["scenes"]["val"]) == sorted(stages)
    assert not list(tmp_path.glob(".*.partial"))
