import json

import pytest

from vlrlcd.config import Config, EngineConfig, ModelConfig, Stage1Config, Stage2Config


@pytest.fixture
def config(tmp_path):
    """A configuration whose DeepSpeed JSON holds the given keys."""

    def made(dtype="float32", **settings):
        path = tmp_path / "deepspeed.json"
        path.write_text(json.dumps(settings))
        return Config(
            engine=EngineConfig(deepspeed=str(path), gradient_clipping=0.5, prompts_per_pass=4),
            model=ModelConfig(dtype=dtype),
            stage1=Stage1Config(prompts_per_step=32),
            stage2=Stage2Config(prompts_per_step=32),
        )

    return made
