import json

import pytest
import torch

from model_adapters import AdapterError, adapter_for
from tests.tiny import tiny_llava


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_llava(tmp_path)


def change(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("field", ["patch_size", "vision_feature_select_strategy"])
def test_a_processor_that_cannot_count_image_tokens_is_refused(checkpoint, field):
    change(checkpoint / "processor_config.json", **{field: None})
    with pytest.raises(AdapterError, match=f"lacks {field}, which model_type 'llava' needs; copy"):
        adapter_for(checkpoint)


def test_stop_ids_add_those_of_the_generation_config_to_the_tokenizers(checkpoint):
    change(checkpoint / "generation_config.json", eos_token_id=[0, 2])
    adapter = adapter_for(checkpoint)
    answer = adapter.encode_answer("red")
    adapter.load_model(torch.float32)
    assert adapter.stop_ids == (2, 0)
    assert adapter.encode_answer("red") == answer


def test_position_limit_is_the_decoders(checkpoint):
    assert adapter_for(checkpoint).max_positions == 512
