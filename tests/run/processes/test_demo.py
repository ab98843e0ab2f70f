"""The quickstart on two processes gets where it gets on one. Minutes long."""

import json

import pytest

from tests.run.jobs import deepspeed, finish, launch


@pytest.mark.slow
def test_two_processes_reach_the_accuracy_of_one(tmp_path):
    found = {}
    for processes in (1, 2):
        arguments = [f"--run.root={tmp_path}", f"--run.name={processes}"]
        code, _, err = finish(launch(deepspeed(processes), "scripts/train.py", *arguments), 600)
        assert code == 0, err
        found[processes] = json.loads((tmp_path / f"{processes}/eval.json").read_text())["aokvqa_mc"]["val"]
    one, two = (found[n]["stage2"]["accuracy"] for n in (1, 2))
    print(f"stage 2, one process {one}, two processes {two}")
    assert one["low"] <= two["value"] <= one["high"]
    assert two["value"] > found[2]["stage1"]["accuracy"]["high"]
