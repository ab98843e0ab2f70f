"""What a user's DeepSpeed JSON may not hold, whatever the YAML says."""

import pytest
from deepspeed.ops.op_builder import AsyncIOBuilder

from tests.run.jobs import ROOT
from vlrlcd.config import Config, EngineConfig
from vlrlcd.engine import deepspeed_settings
from vlrlcd.engine.deepspeed_json import known_keys
from vlrlcd.errors import UserError


def test_deepspeed_is_asked_for_its_own_keys():
    assert {"zero_optimization", "flops_profiler", "steps_per_print", "zero_allow_untested_optimizer"} <= known_keys()
    assert not {"stage", "enabled", "zero_optimisation"} & known_keys()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zero_optimisation": {"stage": 2}}, r"'zero_optimisation' \(did you mean 'zero_optimization'\?\)"),
        ({"grad_clipping": 1, "mine": 0}, r"'grad_clipping' \(did you mean 'gradient_clipping'\?\), 'mine'"),
        ({"fp16": {"enabled": False, "hysterisis": 2}}, r"'fp16\.hysterisis' \(did you mean 'hysteresis'\?\)"),
        (
            {"zero_optimization": {"stage": 2, "overlap_com": True}},
            r"'zero_optimization\.overlap_com' \(did you mean 'overlap_comm'\?\)",
        ),
        (
            {"zero_optimization": {"stgae": 3, "offload_param": {"device": "cpu"}}},
            r"'zero_optimization\.stgae' \(did you mean 'stage'\?\)",
        ),
        (
            {"zero_optimization": {"stage": 3, "offload_param": {"devic": "cpu"}}},
            r"'zero_optimization\.offload_param\.devic' \(did you mean 'device'\?\)",
        ),
    ],
)
def test_a_misspelt_key_is_refused_with_the_nearest(config, given, message):
    with pytest.raises(UserError, match=rf"deepspeed\.json: DeepSpeed knows no key {message}: correct it or leave"):
        deepspeed_settings(config(**given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"checkpoint": 5}, r"cannot take 'checkpoint' as it stands \('int' object"),
        ({"elasticity": {"enabled": True}}, r"cannot take 'elasticity' .*Elastic training has been removed"),
    ],
)
def test_what_deepspeed_would_stumble_over_late_is_refused(config, given, message):
    with pytest.raises(UserError, match=rf"deepspeed\.json: DeepSpeed {message}"):
        deepspeed_settings(config(**given))


@pytest.mark.parametrize(
    ("zero", "message"),
    [
        ({"stage": 4}, r"zero_optimization\.stage is 4; it must be 0, 1, 2 or 3"),
        ({"stage": "auto"}, r'zero_optimization\.stage="auto" would mean no ZeRO'),
        (True, r"zero_optimization must be a section like"),
        ({"stage": "three"}, r"zero_optimization\.stage is 'three'"),
        (
            {"stage": 0, "offload_optimizer": {"device": "cpu"}},
            r"zero_optimization\.offload_optimizer needs ZeRO stage 1 or more, not 0",
        ),
        (
            {"stage": 2, "offload_param": {"device": "cpu"}},
            r"zero_optimization\.offload_param needs ZeRO stage 3 or more, not 2",
        ),
        (
            {"stage": 3, "offload_param": {"device": "nvme", "nvme_path": "/no/such/disk"}},
            r"zero_optimization\.offload_param\.nvme_path='/no/such/disk' must be a folder on a local disk",
        ),
        (
            {"stage": 3, "offload_optimizer": {"device": "nvme"}},
            r"zero_optimization\.offload_optimizer\.nvme_path=None must be a folder",
        ),
        (
            {"stage": 3, "zero_hpz_partition_size": 2},
            r"zero_optimization\.zero_hpz_partition_size=2 would end the run between its two stages",
        ),
        (
            {"stage": 2, "reduce_bucket_size": "big"},
            r'zero_optimization\.reduce_bucket_size="big" cannot be \(Input should be a valid integer',
        ),
        ({"stage": 3, "compute_grad_norm": False}, r"zero_optimization cannot be \(.* only with ZeRO Stage 1 or 2\)"),
        ({"stage": 2, "mics_shard_size": 2}, r"DeepSpeed cannot take 'zero_optimization' .*mics_shard_size' is no"),
    ],
)
def test_impossible_zero_settings_are_named(config, zero, message):
    with pytest.raises(UserError, match=rf"deepspeed\.json: {message}"):
        deepspeed_settings(config(zero_optimization=zero))


def test_nvme_without_its_library_is_named(config, tmp_path, monkeypatch):
    monkeypatch.setattr(AsyncIOBuilder, "is_compatible", lambda self, verbose=False: False)
    zero = {"stage": 3, "offload_param": {"device": "nvme", "nvme_path": str(tmp_path)}}
    with pytest.raises(UserError, match=r"needs the library libaio .*apt-get install libaio-dev"):
        deepspeed_settings(config(zero_optimization=zero))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"cannot be read as JSON"),
        ('{"größe": 1}'.encode("utf-16"), r"cannot be read as JSON"),
        (b"[1]", r"must hold a JSON object"),
    ],
)
def test_a_file_that_is_no_json_is_named(tmp_path, content, message):
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"broken\.json {message}"):
        deepspeed_settings(Config(engine=EngineConfig(deepspeed=str(tmp_path / "broken.json"))))


def test_a_file_that_does_not_exist_is_told_which_do(monkeypatch):
    monkeypatch.chdir(ROOT)
    message = r"zero9\.json does not exist; configs/deepspeed has zero0\.json, .*zero3_offload\.json\."
    with pytest.raises(UserError, match=message):
        deepspeed_settings(Config(engine=EngineConfig(deepspeed="configs/deepspeed/zero9.json")))
