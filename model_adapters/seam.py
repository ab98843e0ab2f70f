"""Whether a decoder can be run as the engine runs it: one prefix in a cache, branches under a mask of ours."""

import torch
from torch import Tensor
from transformers import DynamicCache

from model_adapters.base import ModelAdapter, PromptBatch

PREFIX, BRANCHES, PADDING = 5, ((5, 8), (8, 11)), 2


@torch.no_grad()
def seam_gap(adapter: ModelAdapter) -> float:
    """Largest difference to the stock model's logits, in parts of the largest logit.

    Two branches stand on one padded prefix; the stock model reads each as a row of its own. Whatever carries a state
    from token to token besides keys and values shows here.
    """
    size = min(len(adapter.tokenizer), adapter.config.get_text_config().vocab_size)
    ids = list(range(size))[:: max(1, size // 12)]
    prefix, branches = ids[:PREFIX], [ids[start:end] for start, end in BRANCHES]
    mine_NV = _branched(adapter, prefix, branches)
    stock_NV = torch.cat([_alone(adapter, [*prefix, *branch])[PREFIX:] for branch in branches])
    return float((mine_NV - stock_NV).abs().max() / stock_NV.abs().max())


def _alone(adapter: ModelAdapter, ids: list[int]) -> Tensor:
    """Logits of the stock model, `[L, V]` float32."""
    return adapter.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()


def _branched(adapter: ModelAdapter, prefix: list[int], branches: list[list[int]]) -> Tensor:
    """Logits of all branch tokens, `[N, V]` float32, the prefix read into a cache first."""
    mask_1P = torch.tensor([[False] * PADDING + [True] * len(prefix)])
    own_PP = torch.eye(mask_1P.shape[1], dtype=torch.bool)
    causal_PP = torch.ones_like(own_PP).tril() & mask_1P | own_PP
    read = adapter.embed(PromptBatch(torch.tensor([[0] * PADDING + prefix]), mask_1P, {}))
    cache = DynamicCache()
    adapter.decode_states(read.embeds_BPH, read.positions, causal_PP[None, None], cache)
    owner_N = torch.tensor([k for k, branch in enumerate(branches) for _ in branch])
    depth_N = torch.tensor([t for branch in branches for t in range(len(branch))])
    same_NN = (owner_N[:, None] == owner_N) & (depth_N <= depth_N[:, None])
    sees_NS = torch.cat([mask_1P.expand(len(owner_N), -1), same_NN], dim=1)
    embeds_1NH = adapter.embed_tokens(torch.tensor([[i for branch in branches for i in branch]]))
    positions = adapter.branch_positions(read, depth_N[None])
    return adapter.logits(adapter.decode_states(embeds_1NH, positions, sees_NS[None, None], cache))[0].float()
