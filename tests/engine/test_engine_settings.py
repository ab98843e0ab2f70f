"""The learning-rate schedule and the filled DeepSpeed JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.config import Config, EngineConfig, ModelConfig
from vlrlcd.engine import deepspeed_settings, learning_rate_at
from vlrlcd.errors import UserError


@given(st.integers(1, 400), st.floats(0, 0.9))
def test_the_rate_rises_to_its_peak_once_and_falls_towards_zero(steps, warmup):
    rates = [learning_rate_at(step, steps, 2.0, warmup) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(2.0)
    assert min(rates) > 0 or rates[-1] == pytest.approx(0, abs=1e-9)


def written(tmp_path, **settings):
    path = tmp_path / "deepspeed.json"
    path.write_text(json.dumps(settings))
    return EngineConfig(deepspeed=str(path), gradient_clipping=0.5)


def test_auto_values_come_from_the_configuration_and_others_stay(tmp_path):
    engine = written(tmp_path, gradient_clipping="auto", bf16="auto", train_batch_size="auto", steps_per_print=7)
    config = Config(engine=engine, model=ModelConfig(dtype="bfloat16"))
    assert deepspeed_settings(config) == {
        "gradient_clipping": 0.5,
        "bf16": {"enabled": True},
        "train_batch_size": 1,
        "steps_per_print": 7,
    }


def test_a_stage_that_is_not_supported_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"deepspeed\.json: ZeRO stage 3 is not supported yet"):
        deepspeed_settings(Config(engine=written(tmp_path, zero_optimization={"stage": 3})))


@pytest.mark.parametrize("settings", [{"optimizer": "auto"}, {"zero_optimization": {"reduce_bucket_size": "auto"}}])
def test_an_auto_that_nothing_fills_is_refused(tmp_path, settings):
    with pytest.raises(UserError, match=r'deepspeed\.json: only train_batch_size, .* can be "auto"'):
        deepspeed_settings(Config(engine=written(tmp_path, **settings)))


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"broken\.json cannot be read as JSON"):
        deepspeed_settings(Config(engine=EngineConfig(deepspeed=str(tmp_path / "broken.json"))))
