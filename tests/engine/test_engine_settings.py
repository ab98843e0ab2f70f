"""The learning-rate schedule, and a user's DeepSpeed JSON beside the YAML."""

import json

import pytest
from deepspeed.ops.op_builder import AsyncIOBuilder
from hypothesis import given
from hypothesis import strategies as st

from tests.run.jobs import ROOT
from vlrlcd.config import Config, EngineConfig, ModelConfig
from vlrlcd.engine import deepspeed_settings
from vlrlcd.engine.schedule import learning_rate_at
from vlrlcd.engine.settings import OURS
from vlrlcd.errors import UserError

SHIPPED = sorted((ROOT / "configs/deepspeed").glob("*.json"))


@given(st.integers(1, 400), st.floats(0, 0.9))
def test_the_rate_rises_to_its_peak_once_and_falls_towards_zero(steps, warmup):
    rates = [learning_rate_at(step, steps, 2.0, warmup) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(2.0)
    assert min(rates) > 0 or rates[-1] == pytest.approx(0, abs=1e-9)


AUTO = {"train_batch_size": "auto", "gradient_clipping": "auto", "fp16": {"enabled": "auto"}}


@pytest.mark.parametrize("given", [{}, {**AUTO, "bf16": "auto"}, {**AUTO, "bf16": {"enabled": "auto"}}])
def test_auto_and_missing_values_come_from_the_configuration(config, given):
    filled = deepspeed_settings(config("bfloat16", **given), processes=4)
    assert filled["gradient_clipping"] == 0.5
    assert (filled["bf16"]["enabled"], filled["fp16"]["enabled"]) == (True, False)
    assert filled["train_batch_size"] == 4 * filled["train_micro_batch_size_per_gpu"]
    assert '"auto"' not in json.dumps(filled)


def test_what_is_the_users_own_stays(config):
    given = {"steps_per_print": 7, "fp16": {"enabled": "auto", "loss_scale_window": 500, "hysteresis": 2}}
    filled = deepspeed_settings(config("float16", zero_optimization={"stage": 1}, **given))
    assert filled["steps_per_print"] == 7
    assert filled["fp16"] == {"enabled": True, "loss_scale_window": 500, "hysteresis": 2}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_shipped_file_is_accepted(path, dtype, tmp_path, monkeypatch):
    if (path.stem, dtype) == ("zero0", "float16"):
        pytest.skip("refused, see below")
    monkeypatch.setattr(AsyncIOBuilder, "is_compatible", lambda self, verbose=False: True)
    settings = path.read_text().replace("/local_nvme", str(tmp_path))
    (tmp_path / path.name).write_text(settings)
    engine = EngineConfig(deepspeed=str(tmp_path / path.name))
    assert deepspeed_settings(Config(engine=engine, model=ModelConfig(dtype=dtype)), 2)["bf16"]["enabled"] == (
        dtype == "bfloat16"
    )


EQUAL = {
    "train_batch_size": 32,
    "train_micro_batch_size_per_gpu": 4,
    "gradient_accumulation_steps": 4,
    "gradient_clipping": 0.5,
    "bf16": {"enabled": False},
}


def test_numbers_that_agree_with_the_configuration_are_accepted(config):
    assert deepspeed_settings(config(**EQUAL), processes=2)


@pytest.mark.parametrize(
    ("prompts_per_step", "per_pass", "processes", "micro"),
    [(16, 16, 2, 8), (4, 16, 1, 4), (16, 4, 2, 4), (10, 4, 3, 4), (3, 16, 2, 2), (16, 16, 1, 16)],
)
def test_the_micro_batch_is_what_goes_through_at_once(config, prompts_per_step, per_pass, processes, micro):
    def with_micro(size):
        made = config(train_batch_size=prompts_per_step, train_micro_batch_size_per_gpu=size)
        made.engine.prompts_per_pass = per_pass
        made.stage1.prompts_per_step = made.stage2.prompts_per_step = prompts_per_step
        return deepspeed_settings(made, processes)

    assert with_micro(micro)
    for other in {1, micro - 1, micro + 1, 2 * micro} - {0, micro}:
        with pytest.raises(UserError, match=rf"per_gpu={other} \(.* makes it {micro}\)"):
            with_micro(other)


def test_the_micro_batch_is_that_of_the_larger_stage(config):
    made = config(train_micro_batch_size_per_gpu=4)
    made.stage2.prompts_per_step = 4
    assert deepspeed_settings(made, 2)


@pytest.mark.parametrize(
    ("key", "value", "ours", "because"),
    [
        ("train_batch_size", 64, "32", "stage1.prompts_per_step=32"),
        (
            "train_micro_batch_size_per_gpu",
            8,
            "4",
            "engine.prompts_per_pass=4 and a largest share of 16 a process",
        ),
        ("gradient_accumulation_steps", 2, "4", "stage1.prompts_per_step=32 in passes of 4 on 2 process(es)"),
        ("gradient_clipping", 1.0, "0.5", "engine.gradient_clipping=0.5"),
        ("bf16.enabled", True, "false", "model.dtype=float32"),
        ("fp16.enabled", True, "false", "model.dtype=float32"),
    ],
)
def test_a_contradiction_names_both_keys_and_both_values(config, tmp_path, key, value, ours, because):
    section, _, inner = key.partition(".")
    with pytest.raises(UserError) as refused:
        deepspeed_settings(config(**{section: {inner: value} if inner else value}), 2)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'deepspeed.json'} contradicts the configuration: ")
    assert f"{key}={json.dumps(value)} ({because} makes it {ours})" in said


@pytest.mark.parametrize("key", OURS)
def test_what_this_project_does_itself_is_refused_in_the_json(config, key):
    with pytest.raises(UserError, match=rf"contradicts the configuration: {key} \(instead there is .*: leave these"):
        deepspeed_settings(config(**{key: {"type": "any"}}))


def test_all_contradictions_are_told_at_once(config):
    given = {"gradient_clipping": 1.0, "train_batch_size": 64, "bf16": {"enabled": True}, "optimizer": {}}
    with pytest.raises(UserError) as refused:
        deepspeed_settings(config(**given))
    assert all(f"{key} (" in str(refused.value) for key in ("optimizer", "gradient_clipping=1.0", "bf16.enabled=true"))
    assert str(refused.value).count("train_batch_size=64") == 2


def test_float16_without_zero_is_refused_because_it_would_not_be_scaled(config):
    with pytest.raises(UserError, match=r"stage=0, but model\.dtype=float16 needs loss scaling.*zero1"):
        deepspeed_settings(config("float16"))


def test_a_stage_that_does_not_run_contradicts_nothing(config):
    made = config(**EQUAL)
    made.stage2.prompts_per_step = 7
    with pytest.raises(UserError, match=r"stage2\.prompts_per_step"):
        deepspeed_settings(made, 2)
    made.stage2.method = "sft"
    assert deepspeed_settings(made, 2)


def test_an_auto_that_nothing_fills_is_refused(config):
    with pytest.raises(UserError, match=r'nothing here can fill flops_profiler\.enabled="auto"'):
        deepspeed_settings(config(flops_profiler={"enabled": "auto"}))
