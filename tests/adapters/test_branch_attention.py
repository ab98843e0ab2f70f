"""Who gets attention branch by branch."""

import torch
from transformers import FalconConfig

from model_adapters import adapter_for
from model_adapters.branch_attention import NAME
from tests.tiny import FAMILIES, tiny_text
from tests.tiny.text import HEADER_TEMPLATE


def test_a_family_that_asks_for_sdpa_by_name_keeps_it(tmp_path):
    falcon = tiny_text(
        tmp_path, FalconConfig, HEADER_TEMPLATE, ["<|head|>", "<|/head|>"], "</s>", alibi=False, num_kv_heads=4
    )
    adapter = adapter_for(str(falcon)).load_model(torch.float32)
    assert adapter.decoder.config._attn_implementation == "sdpa"


def test_others_have_it_and_no_checkpoint_says_so(tmp_path):
    adapter = adapter_for(str(FAMILIES["qwen3_vl"](tmp_path / "student"))).load_model(torch.float32)
    assert adapter.decoder.config._attn_implementation == NAME
    adapter.save(tmp_path / "saved")
    assert NAME not in "".join(path.read_text() for path in (tmp_path / "saved").glob("*.json"))
