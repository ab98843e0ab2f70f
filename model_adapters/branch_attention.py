"""Attention over a prefix and its branches that computes no pair which nobody may see.

One dense mask over P prefix and S branch tokens costs (P + S)^2 pairs. Here the prefix attends to itself, and every
branch to the prefix and itself: P^2 + K T (P + T) pairs for K branches of up to T tokens. A CPU computes it in parts
(`split_attention`); elsewhere every branch becomes a row of its own, which costs memory in return: a copy of the
prefix's keys and values for every branch while a layer runs.
"""

import inspect
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from model_adapters.branch_layout import BranchLayout
from model_adapters.split_attention import SplitAttention

NAME = "prefix_and_branches"
"""What the decoder's configuration calls it."""


def attention(module, query, key, value, attention_mask, branch_layout: BranchLayout | None = None, **kwargs):
    """transformers' contract of an attention function; without a layout it is its SDPA."""
    if branch_layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    groups = query.shape[1] // key.shape[1]
    states, scale = (query, repeat_kv(key, groups), repeat_kv(value, groups)), kwargs.get("scaling")
    return _attend(*states, branch_layout, scale).transpose(1, 2), None


def _attend(query: Tensor, key: Tensor, value: Tensor, layout: BranchLayout, scale: float | None) -> Tensor:
    """Queries of the fed tokens of prefixes and branches, keys and values of all of them, `[B, heads, tokens, D]`."""
    if layout.alone:
        return _prefix(query, key, value, layout, scale)
    return _WAYS.get(query.device.type, _with_copies)(query, key, value, layout, scale)


def _prefix(query: Tensor, key: Tensor, value: Tensor, layout: BranchLayout, scale: float | None) -> Tensor:
    fed, whole = query.shape[2], key.shape[2]
    if fed == whole and not layout.padded:
        return scaled_dot_product_attention(query, key, value, scale=scale, is_causal=True)
    mask = layout.prefix_sees_PP[:, :, whole - fed :]
    return scaled_dot_product_attention(query, key, value, scale=scale, attn_mask=mask)


def _with_copies(query: Tensor, key: Tensor, value: Tensor, layout: BranchLayout, scale: float | None) -> Tensor:
    K = layout.place_BKT.shape[1]
    first = [layout.cut(states)[0] for states in (query, key, value)]
    whole = [
        torch.cat([prefix[:, None].expand(-1, K, -1, -1, -1), layout.spread(states)], dim=3).flatten(0, 1)
        for prefix, states in zip(first[1:], (key, value), strict=True)
    ]
    own_NhTD = layout.spread(query).flatten(0, 1)
    branches_NhTD = scaled_dot_product_attention(own_NhTD, *whole, attn_mask=layout.sees_NTL, scale=scale)
    return torch.cat([_prefix(*first, layout, scale), layout.gather(branches_NhTD)], dim=2)


_WAYS = {"cpu": SplitAttention.apply}


@cache
def asks_for_sdpa(kind: type) -> bool:
    """Whether a module's code asks by name for sdpa: it would take ours for something that it does not know."""
    try:
        return kind.__module__.startswith("transformers.") and '"sdpa"' in inspect.getsource(kind)
    except OSError:
        return False


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
