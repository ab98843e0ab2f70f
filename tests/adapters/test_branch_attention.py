"""Attention branch by branch: a CPU's parts equal rows with copies, and who gets it."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import FalconConfig

from model_adapters import BranchLayout, adapter_for
from model_adapters.branch_attention import NAME, _with_copies
from model_adapters.causal_blocks import FEWEST
from model_adapters.split_attention import SplitAttention
from tests.tiny import FAMILIES, tiny_text
from tests.tiny.text import HEADER_TEMPLATE
from vlrlcd.prefix_branches import pack, tree_mask

HEADS, WIDTH = 2, 16
LENGTHS = {"alike": [[6, 6, 6], [6, 6, 6]], "ragged": [[5, 8, 2], [2, 11, 1]]}


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


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("prefix", [9, 2 * FEWEST + 5])
@pytest.mark.parametrize("way", [SplitAttention.apply, _with_copies])
def test_value_and_gradient_equal_attention_under_the_tree_mask(way, lengths, padding, prefix):
    branches = pack([[tuple(range(length)) for length in row] for row in LENGTHS[lengths]])
    mask_BP = torch.ones(2, prefix, dtype=torch.bool)
    mask_BP[0, :padding] = False
    layout = BranchLayout(mask_BP, bool(padding), branches.place_BKT, branches.branch_BS, branches.depth_BS)
    stands = torch.cat([mask_BP, branches.branch_BS >= 0], dim=1)[:, None, :, None]
    rng = torch.manual_seed(0)
    states = [torch.randn(2, HEADS, stands.shape[2], WIDTH, generator=rng, requires_grad=True) for _ in range(3)]
    # nothing reads what stands at padding, so that no gradient comes from there
    pull = torch.randn(states[0].shape, generator=rng) * stands
    expected = scaled_dot_product_attention(*states, attn_mask=tree_mask(mask_BP, branches))
    mine = way(*states, layout, None)
    torch.testing.assert_close(mine * stands, expected * stands, rtol=0, atol=1e-6)
    pairs = zip(*(torch.autograd.grad((found * pull).sum(), states) for found in (mine, expected)), strict=True)
    for found, wanted in pairs:
        torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6)
