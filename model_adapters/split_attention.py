"""Attention over a prefix and its branches in parts that copy no prefix, joined by their log-sum-exps.

Of a branch token's keys those of the prefix are the same for all branches: its tokens ask the prefix together, their
own branch by themselves, and the two softmaxes become one by exp(lse_part - lse). Backwards every part is handed the
joined output and log-sum-exp, from which a kernel computes the probabilities of the whole (as ring attention does).
A CPU's kernel of PyTorch hands its log-sum-exp out and takes one back.
"""

import torch
from torch import Tensor

from model_adapters.branch_layout import BranchLayout
from model_adapters.causal_blocks import attend, causal_gradient, gradient, hiding, join

# a place that holds no token has probability exp(score - this) = 0
_NOBODY = 1e30


class SplitAttention(torch.autograd.Function):
    """`[B, heads, L, D]` of queries, keys and values to the same of outputs; heads of keys already repeated.

    With a prefix of which only the last tokens are fed, queries are fewer than keys, and there is no gradient.
    """

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, layout: BranchLayout, scale: float | None) -> Tensor:
        padding = _padding(layout, query.dtype)
        (q, q_branches), (k, _), (v, _) = (layout.cut(states) for states in (query, key, value))
        causal, mask = _earlier(layout, q, padding)
        prefix, prefix_lse = attend(q, k, v, 0.0, causal, attn_mask=mask, scale=scale)
        far, far_lse = attend(q_branches, k, v, 0.0, False, attn_mask=padding, scale=scale)
        own, own_lse = attend(*(layout.spread(s).flatten(0, 1) for s in (query, key, value)), 0.0, True, scale=scale)
        own, own_lse = layout.gather(own), layout.gather(own_lse[..., None])[..., 0]
        lse = torch.logaddexp(far_lse, own_lse)
        joined = far * (far_lse - lse).exp()[..., None].to(far) + own * (own_lse - lse).exp()[..., None].to(own)
        out = join([prefix, joined])
        ctx.save_for_backward(query, key, value, out, torch.cat([prefix_lse, lse], dim=2), padding)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx, grad: Tensor):
        query, key, value, out, lse, padding = ctx.saved_tensors
        layout = ctx.layout
        (g, g_branches), (q, q_branches), (k, _), (v, _) = (layout.cut(states) for states in (grad, query, key, value))
        (o, o_branches), (sums, sums_branches) = layout.cut(out), layout.cut(lse)
        dq, dk, dv = causal_gradient([g, q, k, v, o], sums, layout.causal_blocks, ctx.scale)
        far = g_branches, q_branches, k, v, o_branches, sums_branches
        dq_far, dk_far, dv_far = gradient(*far, 0.0, False, attn_mask=padding, scale=ctx.scale)
        own = [layout.spread(states).flatten(0, 1) for states in (grad, query, key, value, out)]
        own_lse = layout.spread(lse[..., None]).flatten(0, 1)[..., 0].masked_fill(layout.nobody_N1T, _NOBODY)
        own_grads = gradient(*own, own_lse, 0.0, True, scale=ctx.scale)
        # a row's padding has taken the place of another token, and has no part in its gradient
        dq_own, dk_own, dv_own = (layout.gather(s).masked_fill(layout.padding_B1S1, 0) for s in own_grads)
        return join([dq, dq_far + dq_own]), join([dk + dk_far, dk_own]), join([dv + dv_far, dv_own]), None, None


def _padding(layout: BranchLayout, dtype: torch.dtype) -> Tensor | None:
    """What is added to the scores of the prefix's keys, `[B, 1, 1, P]`."""
    return hiding(layout.prefix_mask_BP)[:, None, None].to(dtype) if layout.padded else None


def _earlier(layout: BranchLayout, query: Tensor, padding: Tensor | None) -> tuple[bool, Tensor | None]:
    """How a kernel is told what the fed tokens of the prefix see: whether causally, and under which mask."""
    fed, whole = query.shape[2], layout.prefix_mask_BP.shape[1]
    if fed == whole:
        return True, padding
    return False, hiding(layout.prefix_sees_PP[:, :, whole - fed :]).to(query.dtype)
