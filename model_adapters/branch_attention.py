"""Attention over a prefix and its branches that computes no pair which nobody may see.

One dense mask over P prefix and S branch tokens costs (P + S)^2 pairs. Here the prefix attends to itself, and every
branch, as a row of its own, to the prefix and itself: P^2 + K T (P + T) pairs for K branches of up to T tokens. It
costs memory in return: every branch has a copy of the prefix's keys and values while a layer runs.
"""

import inspect
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "prefix_and_branches"
"""What the decoder's configuration calls it."""


@dataclass(frozen=True)
class BranchLayout:
    """Which of the P + S tokens of a row stand where in its branches.

    Attributes:
        prefix_mask_BP: bool, False where padding stands.
        padded: whether there is padding; False lets kernels skip half of the prefix.
        place_BKT: of token t of branch k among the row's S, -1 where there is none.
        branch_BS, depth_BS: the same the other way round, -1 for padding's branch.
    """

    prefix_mask_BP: Tensor
    padded: bool
    place_BKT: Tensor
    branch_BS: Tensor
    depth_BS: Tensor

    @cached_property
    def sees_NTL(self) -> Tensor:
        """What the T tokens of each of the N = B K branches see of the prefix and of their own branch."""
        B, K, T = self.place_BKT.shape
        own_BKTT = causal_mask(self.place_BKT.flatten(0, 1) >= 0).view(B, K, T, T)
        prefix_BKTP = self.prefix_mask_BP[:, None, None].expand(-1, K, T, -1)
        return torch.cat([prefix_BKTP, own_BKTT], dim=-1).flatten(0, 1)[:, None]

    @cached_property
    def prefix_sees_PP(self) -> Tensor:
        return causal_mask(self.prefix_mask_BP)

    @cached_property
    def _token_N(self) -> Tensor:
        """Row of the flattened `[B (P + S)]` that each place of every branch is filled from."""
        (B, P), S = self.prefix_mask_BP.shape, self.branch_BS.shape[1]
        first_B = torch.arange(B, device=self.place_BKT.device) * (P + S) + P
        return (first_B[:, None, None] + self.place_BKT.clamp(min=0)).flatten()

    @cached_property
    def _place_N(self) -> Tensor:
        """Row of the flattened `[B K T]` that holds each branch token."""
        B, K, T = self.place_BKT.shape
        first_B = torch.arange(B, device=self.place_BKT.device) * K
        return ((first_B[:, None] + self.branch_BS.clamp(min=0)) * T + self.depth_BS).flatten()

    def spread(self, states_BhLD: Tensor) -> Tensor:
        """The branch tokens as rows: `[B, heads, P + S, D]` to `[B, K, heads, T, D]`."""
        (_, h, _, D), (B, K, T) = states_BhLD.shape, self.place_BKT.shape
        flat = states_BhLD.transpose(1, 2).reshape(-1, h * D).index_select(0, self._token_N)
        return flat.view(B, K, T, h, D).transpose(2, 3)

    def gather(self, states_NhTD: Tensor) -> Tensor:
        """Branches as rows back to tokens: `[B K, heads, T, D]` to `[B, S, heads, D]`."""
        _, h, _, D = states_NhTD.shape
        flat = states_NhTD.transpose(1, 2).reshape(-1, h * D).index_select(0, self._place_N)
        return flat.view(*self.branch_BS.shape, h, D)


def causal_mask(stands_BL: Tensor) -> Tensor:
    """Mask of a sequence alone, `[B, 1, L, L]`; padding sees itself, so that no row of the softmax is empty.

    Args:
        stands_BL: bool, where a token stands.
    """
    L, device = stands_BL.shape[1], stands_BL.device
    causal_LL = torch.ones(L, L, dtype=torch.bool, device=device).tril()
    return (stands_BL[:, None] & causal_LL | torch.eye(L, dtype=torch.bool, device=device))[:, None]


def attention(module, query, key, value, attention_mask, branch_layout: BranchLayout | None = None, **kwargs):
    """transformers' contract of an attention function; without a layout it is its SDPA."""
    if branch_layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    return _attend(query, key, value, branch_layout, kwargs.get("scaling")), None


def _attend(query: Tensor, key: Tensor, value: Tensor, layout: BranchLayout, scale: float | None) -> Tensor:
    """`[B, heads, P + S, D]` each to `[B, P + S, heads, D]`."""
    P, K = layout.prefix_mask_BP.shape[1], layout.place_BKT.shape[1]
    first = [states[:, :, :P] for states in (query, key, value)]
    mask = {"attn_mask": layout.prefix_sees_PP} if layout.padded else {"is_causal": True}
    prefix_BhPD = scaled_dot_product_attention(*first, scale=scale, **mask)

    whole = [
        torch.cat([prefix[:, None].expand(-1, K, -1, -1, -1), layout.spread(states)], dim=3).flatten(0, 1)
        for prefix, states in zip(first[1:], (key, value), strict=True)
    ]
    own_NhTD = layout.spread(query).flatten(0, 1)
    branches_NhTD = scaled_dot_product_attention(own_NhTD, *whole, attn_mask=layout.sees_NTL, scale=scale)
    return torch.cat([prefix_BhPD.transpose(1, 2), layout.gather(branches_NhTD)], dim=1)


@cache
def asks_for_sdpa(kind: type) -> bool:
    """Whether a module's code asks by name for sdpa: it would take ours for something that it does not know."""
    try:
        return kind.__module__.startswith("transformers.") and '"sdpa"' in inspect.getsource(kind)
    except OSError:
        return False


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
