"""Fused LoRA: the same numbers and gradients as peft's own."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.layer import Linear
from torch import nn

from vlrlcd.lora import FusedLinear, fuse_lora


def adapted() -> nn.Module:
    torch.manual_seed(0)
    model = get_peft_model(nn.Sequential(nn.Linear(8, 12)), LoraConfig(r=3, lora_alpha=6, target_modules=["0"]))
    layer = model.base_model.model[0]
    nn.init.normal_(layer.lora_B["default"].weight)
    return model


@pytest.mark.parametrize("shape", [(5, 8), (2, 5, 8)])
def test_the_same_numbers_and_gradients(shape, monkeypatch):
    stock, fused = adapted(), adapted()
    fuse_lora(fused)
    outputs = []
    for model in (stock, fused):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
        y = model(x)
        y.square().sum().backward()
        added = [p.grad for name, p in model.named_parameters() if "lora_" in name]
        outputs.append((y, x.grad, *added))
    assert type(fused.base_model.model[0]) is FusedLinear
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(other, one)


def test_switched_off_it_is_the_layer_alone():
    model = adapted()
    fuse_lora(model)
    x = torch.randn(4, 8)
    with model.disable_adapter():
        assert torch.equal(model(x), model.base_model.model[0].base_layer(x))
    assert not torch.allclose(model(x), model.base_model.model[0].base_layer(x))


def test_peft_s_own_way_is_taken_where_a_weight_is_sharded(monkeypatch):
    model = adapted()
    expected = model(x := torch.randn(4, 8))
    fuse_lora(model)
    taken, own = [], Linear.forward
    monkeypatch.setattr(Linear, "forward", lambda *args, **kwargs: taken.append(1) or own(*args, **kwargs))
    model.base_model.model[0].lora_B["default"].weight.ds_id = 7
    torch.testing.assert_close(model(x), expected)
    assert taken
    del model.base_model.model[0].lora_B["default"].weight.ds_id
    assert torch.testing.assert_close(copy.deepcopy(model)(x), expected) is None and len(taken) == 1
