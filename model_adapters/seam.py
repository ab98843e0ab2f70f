"""Whether a decoder can be run as the engine runs it: one prefix in a cache, branches under a mask or by a layout."""

import torch
from torch import Tensor
from transformers import DynamicCache

from model_adapters.base import ModelAdapter, Prefix, PromptBatch
from model_adapters.branch_layout import BranchLayout, causal_mask

PREFIX, BRANCHES, PADDING = 5, ((5, 8), (8, 11)), 2


@torch.no_grad()
def seam_gap(adapter: ModelAdapter, by_layout: bool = False) -> float:
    """Largest difference to the stock model's logits, in parts of the largest logit.

    Two branches stand on one padded prefix; the stock model reads each as a row of its own. Whatever carries a state
    from token to token besides keys and values shows here.

    Args:
        adapter: with its weights.
        by_layout: attention goes by the layout of the branches, in one pass; otherwise by a mask, in two.
    """
    size = min(len(adapter.tokenizer), adapter.config.get_text_config().vocab_size)
    ids = list(range(size))[:: max(1, size // 12)]
    prefix, branches = ids[:PREFIX], [ids[start:end] for start, end in BRANCHES]
    mine_NV = (_at_once if by_layout else _in_two_parts)(adapter, prefix, branches)
    stock_NV = torch.cat([_alone(adapter, [*prefix, *branch])[PREFIX:] for branch in branches])
    return float((mine_NV - stock_NV).abs().max() / stock_NV.abs().max())


def _alone(adapter: ModelAdapter, ids: list[int]) -> Tensor:
    """Logits of the stock model, `[L, V]` float32."""
    return adapter.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()


def _in_two_parts(adapter: ModelAdapter, prefix: list[int], branches: list[list[int]]) -> Tensor:
    """Logits of all branch tokens, `[N, V]` float32, the prefix read into a cache first."""
    read, cache = _embedded(adapter, prefix), DynamicCache()
    mask_1P = read.mask_BP
    adapter.decode_states(read.embeds_BPH, read.positions, causal_mask(mask_1P), cache)
    owner_N, depth_N = _places(branches)
    same_NN = (owner_N[:, None] == owner_N) & (depth_N <= depth_N[:, None])
    sees_NS = torch.cat([mask_1P.expand(len(owner_N), -1), same_NN], dim=1)
    embeds_1NH, positions = _behind(adapter, read, branches, depth_N)
    return adapter.logits(adapter.decode_states(embeds_1NH, positions, sees_NS[None, None], cache))[0].float()


def _at_once(adapter: ModelAdapter, prefix: list[int], branches: list[list[int]]) -> Tensor:
    """The same in one pass by the layout of branches that are equally long."""
    read, (owner_N, depth_N) = _embedded(adapter, prefix), _places(branches)
    place_1KT = torch.arange(len(owner_N)).view(1, len(branches), -1)
    layout = BranchLayout(read.mask_BP, True, place_1KT, owner_N[None], depth_N[None])
    embeds_1NH, positions = _behind(adapter, read, branches, depth_N)
    whole = torch.cat([read.embeds_BPH, embeds_1NH], 1), torch.cat([read.positions, positions], -1)
    # what no layer may read: it goes by the layout, or it is not right
    mask = torch.ones(1, 1, whole[0].shape[1], whole[0].shape[1], dtype=torch.bool)
    hidden_1LH = adapter.decode_states(*whole, mask, prefix=read, layout=layout)
    return adapter.logits(hidden_1LH[:, read.mask_BP.shape[1] :])[0].float()


def _embedded(adapter: ModelAdapter, prefix: list[int]) -> Prefix:
    mask_1P = torch.tensor([[False] * PADDING + [True] * len(prefix)])
    return adapter.embed(PromptBatch(torch.tensor([[0] * PADDING + prefix]), mask_1P, {}))


def _places(branches: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Of every branch token its branch and its place there, `[N]`."""
    owner = [k for k, branch in enumerate(branches) for _ in branch]
    return torch.tensor(owner), torch.tensor([t for branch in branches for t in range(len(branch))])


def _behind(adapter: ModelAdapter, read: Prefix, branches: list[list[int]], depth_N: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings and positions of the branch tokens."""
    embeds_1NH = adapter.embed_tokens(torch.tensor([[i for branch in branches for i in branch]]))
    return embeds_1NH, adapter.branch_positions(read, depth_N[None])
