"""LoRA in three kernels a layer where peft takes five: at a decoding step their number is the time."""

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn


class FusedLinear(Linear):
    """Takes the place of the class of peft's layer; weights, names and checkpoints stay as they are.

    For what `Student` makes: one plain addition without dropout or bias. Switched off or merged, in another precision
    than its input, or where ZeRO-3 has sharded its weights, it goes peft's way.
    """

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        (name,) = self.active_adapters
        widen = self.lora_B[name].weight
        # a sharded weight is there only while its own module runs
        if self.disable_adapters or self.merged or x.dtype != widen.dtype or hasattr(widen, "ds_id"):
            return super().forward(x, *args, **kwargs)
        base, low = self.base_layer(x), self.lora_A[name](x)
        added = torch.addmm(base.flatten(0, -2), low.flatten(0, -2), widen.t(), alpha=self.scaling[name])
        return added.view_as(base)


def fuse_lora(model: nn.Module) -> None:
    """Swaps the class of every LoRA layer of peft's."""
    for module in model.modules():
        if type(module) is Linear:
            module.__class__ = FusedLinear
