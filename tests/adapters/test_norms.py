"""Fused norms: the same numbers, gradients and checkpoints; norms of another kind are left alone."""

import copy

import pytest
import torch
from torch import nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from model_adapters import adapter_for
from model_adapters.norms import FusedRMSNorm, fuse_norms
from tests.tiny import FAMILIES


def filled(norm: nn.Module) -> nn.Module:
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    return norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_numbers_and_gradients(dtype):
    torch.manual_seed(0)
    stock = filled(LlamaRMSNorm(16, eps=1e-5)).to(dtype)
    fused = copy.deepcopy(stock)
    fuse_norms(fused)
    assert type(fused) is FusedRMSNorm and fused.state_dict().keys() == stock.state_dict().keys()
    outputs = []
    for norm in (stock, fused):
        hidden = torch.randn(3, 16, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
        norm(hidden).float().square().sum().backward()
        outputs.append((norm(hidden).float(), hidden.grad.float(), norm.weight.grad.float()))
    # the stock one rounds once more before it multiplies by the weight
    tolerance = 1e-5 if dtype is torch.float32 else 5e-2
    for stock_value, fused_value in zip(*outputs, strict=True):
        torch.testing.assert_close(fused_value, stock_value, atol=tolerance, rtol=tolerance)


def test_a_norm_that_adds_one_to_its_weight_stays():
    model = nn.Sequential(filled(GemmaRMSNorm(16)), filled(LlamaRMSNorm(16)))
    before = model[0].weight.detach().clone()
    fuse_norms(model)
    assert [type(module) for module in model] == [GemmaRMSNorm, FusedRMSNorm]
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize("trains", [True, False])
def test_passes_with_and_without_gradient_agree_to_the_bit(trains):
    norm = filled(LlamaRMSNorm(16, eps=1e-5)).requires_grad_(trains)
    fuse_norms(norm)
    hidden = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    learned = norm(hidden)
    with torch.no_grad():
        assert torch.equal(norm(hidden), learned)
    learned.square().sum().backward()
    assert hidden.grad.abs().max() > 0 and (norm.weight.grad is not None) == trains


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "qwen3_vl", "qwen2"])
def test_a_student_s_decoder_has_fused_norms_alone(family, tmp_path):
    adapter = adapter_for(str(FAMILIES[family](tmp_path))).load_model(torch.float32)
    kinds = {type(m).__name__ for m in adapter.decoder.modules() if type(m).__name__.endswith("RMSNorm")}
    assert kinds == {"FusedRMSNorm"}
