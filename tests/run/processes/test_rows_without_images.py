"""A process whose rows have no image runs the same collectives as the others."""

import json

import pytest

from tests.run.bench import Bench
from tests.run.jobs import config_of
from tests.run.processes.program import record
from tests.run.processes.test_zero_matrix import assert_same
from vlrlcd.draws import generator

FOUR = {
    "data.dataset": "jsonl",
    "stage1.prompts_per_step": 4,
    "stage2.prompts_per_step": 4,
    "stage1.learning_rate": 1e-3,
    "evaluation.split": "",
}


@pytest.fixture(scope="module")
def mixed(scenes, tmp_path_factory):
    """Eight rows; in the first step every second prompt, the second process's share, is without an image."""
    folder = tmp_path_factory.mktemp("mixed")
    rows = json.loads((scenes / "aokvqa_v1p0_train.json").read_text())[:8]
    blind = set(generator(0, "order", 0).permutation(8)[1:4:2].tolist())
    for i, row in enumerate(rows):
        image = f"{row['image_id']:012}.jpg"
        content = {"images": [] if i in blind else [image], "answer": row["choices"][row["correct_choice_idx"]]}
        rows[i] = {
            "id": row["question_id"],
            **content,
            **{key: row[key] for key in ("question", "choices", "rationales")},
        }
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {**FOUR, "data.root": folder, "data.images": scenes / "train2017"}


@pytest.mark.slow
def test_losses_and_gradients_are_those_of_one_process(inputs, checkpoint, distributed, mixed, run_cases, case):
    bench = Bench(config_of(inputs, mixed), "stage1", checkpoint)
    assert [bool(group.row.images) for group in bench.groups(0)] == [True, False, True, False]
    recording = record(bench)
    one = run_cases(1, {"mixed": case("zero0", mixed, recording=recording)})
    two = run_cases(2, {"mixed": case("zero3", mixed, recording=recording)})
    assert_same(two["mixed"], one["mixed"])
