"""RMS norms in the place of the six kernels that transformers writes out: PyTorch's one, or on a CPU few passes.

On a CPU PyTorch's own is as many kernels again, and autograd passes over each of them; here the gradient is written
out.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm

EPSILONS = ("variance_epsilon", "eps")
"""What families call the number under the root."""
TOLERANCE = 1e-5


class FusedRMSNorm(nn.Module):
    """Takes the place of a module's class; weight, names and checkpoints stay as they are."""

    weight: nn.Parameter
    fused_epsilon: float

    def forward(self, hidden: Tensor) -> Tensor:
        if hidden.device.type == "cpu" and hidden.dtype is self.weight.dtype is torch.float32 and hidden.requires_grad:
            return _FewPasses.apply(hidden, self.weight, self.fused_epsilon)
        return rms_norm(hidden, self.weight.shape, self.weight, self.fused_epsilon)


class _FewPasses(torch.autograd.Function):
    """With r = 1 / sqrt(mean(x^2) + eps): w x r, and d / dx = r (g w) - x r^3 mean(g w x)."""

    @staticmethod
    def forward(ctx, hidden: Tensor, weight_H: Tensor, epsilon: float) -> Tensor:
        # to the bit what passes without gradient compute
        normed, inverse = torch.ops.aten._fused_rms_norm(hidden, weight_H.shape, weight_H, epsilon)
        ctx.save_for_backward(hidden, weight_H, inverse)
        return normed

    @staticmethod
    def backward(ctx, grad: Tensor):
        hidden, weight_H, inverse = ctx.saved_tensors
        weighted = grad * weight_H
        mean = torch.linalg.vecdot(weighted, hidden)[..., None].div_(len(weight_H))
        by_hidden = weighted.mul_(inverse).addcmul_(hidden, mean.mul_(inverse**3), value=-1)
        by_weight_H = None
        if ctx.needs_input_grad[1]:
            by_weight_H = (grad * hidden).flatten(0, -2).t() @ inverse.flatten()
        return by_hidden, by_weight_H, None


def fuse_norms(model: nn.Module) -> None:
    """Swaps the class of every norm that computes what PyTorch's does; one that adds 1 to its weight, say, stays."""
    for module in model.modules():
        epsilon = next((getattr(module, name) for name in EPSILONS if hasattr(module, name)), None)
        if type(module).__name__.endswith("RMSNorm") and epsilon and _is_plain(module, epsilon):
            module.__class__, module.fused_epsilon = FusedRMSNorm, epsilon


@torch.no_grad()
def _is_plain(norm: nn.Module, epsilon: float) -> bool:
    """Whether it does on a few numbers what the fused one would do."""
    if [name for name, _ in norm.named_parameters()] != ["weight"]:
        return False
    # not near 1, where weight and 1 + weight are told apart, and small enough that the epsilon counts
    weight, hidden = torch.linspace(0.3, 0.9, norm.weight.numel()), torch.linspace(-1e-3, 2e-3, norm.weight.numel())
    kept, norm.weight = norm.weight, nn.Parameter(weight)
    try:
        return torch.allclose(norm(hidden), rms_norm(hidden, weight.shape, weight, epsilon), atol=TOLERANCE)
    finally:
        norm.weight = kept
