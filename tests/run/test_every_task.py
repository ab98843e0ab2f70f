"""Every method trains two steps on every task: students that see on all of them, one that reads on those of text."""

import pytest

from tests.run.jobs import config_of, figures
from tests.servers.http import serving
from tests.servers.stub_judge import StubJudge
from tests.tiny import FAMILIES
from vlrlcd.data.card import DATASETS
from vlrlcd.methods import METHODS
from vlrlcd.trainer import train

TASKS = {
    "aokvqa_mc": ("llava",),
    "aokvqa_rationale": ("llava",),
    "writing_prompts_cw": ("llava", "qwen2"),
    "writing_prompts_eu": ("llava", "qwen2"),
    "compmath_count": ("llava", "qwen2"),
    "compmath_geometry": ("llava", "qwen2"),
}
CASES = [(task, family) for task, families in TASKS.items() for family in families]


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    return {family: FAMILIES[family](tmp_path_factory.mktemp(family)) for family in ("llava", "qwen2")}


@pytest.fixture(scope="module")
def judge():
    with serving(StubJudge(lambda question, first, second: "[[A]]" if len(first) > len(second) else "[[B]]")) as url:
        yield {"judge.model": "stub", "judge.base_url": url}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("task", "family"), CASES, ids=["-".join(case) for case in CASES])
def test_two_steps(task, family, method, students, judge, tmp_path, handlers, distributed):
    settings = {
        "model.checkpoint": students[family],
        "data.dataset": task,
        "data.root": DATASETS / task / "sample",
        "data.train_limit": 2,
        "anchors.store": tmp_path / "anchors.sqlite",
        "judge.store": tmp_path / "judge.sqlite",
        "evaluation.split": "",
        "stage1.prompts_per_step": 2,
        "stage2.method": method,
        "stage2.prompts_per_step": 2,
        "stage2.epochs": 2,
        # what a student with random weights says has no three different scores to set tau by
        "ranking.tau": 1,
        "sampling.max_new_tokens": 6,
        "run.root": tmp_path,
    }
    train(config_of(settings, judge), "it")
    stages = [line["stage"] for line in figures(tmp_path / "it")]
    assert stages == ["stage1"] + ["stage2"] * (0 if method == "sft" else 2)
    assert (tmp_path / "it/student/model.safetensors").is_file()
