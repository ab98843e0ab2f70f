"""One prefix with K branches: layout, tree mask, hidden states.

A row of the batch is one prompt (the prefix, images included) followed by all its branches. A branch token sees the
prefix and its own branch up to itself; positions of every branch start anew at the end of the prefix. So the prompt is
computed once, whatever K is.

The log-prob of a branch's first token comes from the last prefix position, that of any other token from the token
before it; the last token of a branch is predicted but never fed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor

from model_adapters import BranchLayout, ModelAdapter, PromptBatch, Tokens, causal_mask
from vlrlcd.reading import Keeping, Known

COPIED_BYTES = 2**31
"""What the copies of prefixes may take in one layer; a pass that needs more goes under the tree mask."""


@dataclass
class Branches:
    """Ragged branches of B rows, packed without padding between the branches of a row.

    Attributes:
        ids_BS: fed tokens, rows padded on the right to S.
        branch_BS: the branch, counted within its row, that a token belongs to; -1 is padding.
        depth_BS: tokens between the end of the prefix and this one.
        place_BKT: the same the other way round: the place among the S of token t of branch k; -1 where none is fed.
        row_N, source_N: for each of the N predicted tokens its row and the place, counted from the end of the prefix,
            of the state that predicts it (-1: the last prefix position).
        target_N: the predicted token.
        owner_N: the branch that predicted token n belongs to, counted over all rows.
        lengths_G: predicted tokens of each of the G branches of all rows.
        rows_G: the row of each branch.
    """

    ids_BS: Tensor
    branch_BS: Tensor
    depth_BS: Tensor
    place_BKT: Tensor
    row_N: Tensor
    source_N: Tensor
    target_N: Tensor
    owner_N: Tensor
    lengths_G: Tensor
    rows_G: Tensor

    def to(self, device: torch.device) -> "Branches":
        return Branches(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def sum_per_branch(self, values_N: Tensor) -> Tensor:
        """Sums token values over each branch: `[N]` to `[G]`."""
        return values_N.new_zeros(len(self.lengths_G)).index_add(0, self.owner_N, values_N)


def pack(branches: Sequence[Sequence[Tokens]]) -> Branches:
    """Lays out the branches of each row; every branch has at least one token, every row at least one branch."""
    rows = [[(k, t, token) for k, y in enumerate(row) for t, token in enumerate(y)] for row in branches]
    # the last token of a branch is only a target
    fed = [[(k, t, token) for k, t, token in tokens if t < len(row[k]) - 1] for tokens, row in zip(rows, branches)]
    width = max(len(tokens) for tokens in fed)
    grid = torch.tensor([tokens + [(-1, 0, 0)] * (width - len(tokens)) for tokens in fed], dtype=torch.long)
    grid = grid.reshape(len(fed), width, 3)

    predicted, owner = [], -1
    for b, row in enumerate(branches):
        start = 0
        for y in row:
            owner += 1
            predicted += [(b, start + t - 1 if t else -1, token, owner) for t, token in enumerate(y)]
            start += len(y) - 1
    row_N, source_N, target_N, owner_N = torch.tensor(predicted).unbind(-1)
    lengths_G = torch.tensor([len(y) for row in branches for y in row])
    rows_G = torch.tensor([b for b, row in enumerate(branches) for _ in row])
    branch_BS, depth_BS, ids_BS = grid.unbind(-1)
    place_BKT = torch.full((len(branches), max(map(len, branches)), int(depth_BS.max()) + 1 if width else 0), -1)
    row, place = (branch_BS >= 0).nonzero(as_tuple=True)
    place_BKT[row, branch_BS[row, place], depth_BS[row, place]] = place
    return Branches(ids_BS, branch_BS, depth_BS, place_BKT, row_N, source_N, target_N, owner_N, lengths_G, rows_G)


def tree_mask(prefix_mask_BP: Tensor, branches: Branches) -> Tensor:
    """Mask of prefix and branches, `[B, 1, P + S, P + S]`, True where a query (row) may see a key (column)."""
    (B, P), S = prefix_mask_BP.shape, branches.ids_BS.shape[1]
    mask_BLL = prefix_mask_BP.new_zeros(B, P + S, P + S)
    mask_BLL[:, :P, :P] = causal_mask(prefix_mask_BP)[:, 0]
    mask_BLL[:, P:, :P] = prefix_mask_BP[:, None, :]
    same_BSS = branches.branch_BS[:, :, None] == branches.branch_BS[:, None, :]
    mask_BLL[:, P:, P:] = same_BSS & (branches.depth_BS[:, None, :] <= branches.depth_BS[:, :, None])
    return mask_BLL[:, None]


def costs_less(prefix: int, fed: int, branches: int, longest: int, packed: int) -> bool:
    """Whether attention branch by branch has fewer pairs than the tree mask over `packed` branch tokens.

    It has more where few branches of a row are long, or some rows have far fewer of them. Of the prefix `fed` tokens
    are fed, and the others known.
    """
    return fed * prefix + branches * longest * (prefix + longest) < (fed + packed) * (prefix + packed)


def branch_layout(adapter: ModelAdapter, batch: PromptBatch, branches: Branches, fed: int) -> BranchLayout | None:
    """What attention can go by in the place of the tree mask, where that costs less and its copies are not too many.

    Args:
        adapter: of a family whose attention goes by layouts, or there is none.
        batch: the prefixes.
        branches: theirs.
        fed: tokens of the prefixes that are fed, the last ones; others are known.
    """
    P, S, (B, K, T) = batch.ids_BP.shape[1], branches.ids_BS.shape[1], branches.place_BKT.shape
    if not (adapter.takes_layouts and S and costs_less(P, fed, K, T, S)):
        return None
    # keys and values of a layer, every head counted
    copied = 2 * B * K * (P + T) * adapter.config.get_text_config().hidden_size * adapter.model.dtype.itemsize
    if copied > COPIED_BYTES:
        return None
    return BranchLayout(batch.mask_BP, batch.padded, branches.place_BKT, branches.branch_BS, branches.depth_BS)


def predicting_states(
    adapter: ModelAdapter,
    batch: PromptBatch,
    branches: Branches,
    known: Known | None = None,
    keeping: Keeping | None = None,
) -> Tensor:
    """Hidden states `[N, H]` that predict every branch token, from one pass over prefixes and branches.

    Args:
        adapter: the model.
        batch: the prefixes.
        branches: theirs.
        known: what need not be fed of the prefixes; without gradient.
        keeping: takes what is read of them.
    """
    prefix = known.prefix(adapter, batch) if known else adapter.embed(batch)
    P, fed = batch.ids_BP.shape[1], prefix.embeds_BPH.shape[1]
    embeds_BLH = torch.cat([prefix.embeds_BPH, adapter.embed_tokens(branches.ids_BS)], dim=1)
    behind = adapter.branch_positions(prefix, branches.depth_BS)
    positions = torch.cat([prefix.positions[..., P - fed :], behind], dim=-1)
    layout = branch_layout(adapter, batch, branches, fed)
    mask = tree_mask(prefix.mask_BP, branches)[:, :, P - fed :]
    cache = known.cache if known else keeping
    hidden_BLH = adapter.decode_states(embeds_BLH, positions, mask, cache, prefix, layout)
    return hidden_BLH[branches.row_N, fed + branches.source_N]


def common_prefix(renderings: Sequence[Tokens]) -> tuple[Tokens, list[Tokens]]:
    """The longest common token prefix of full renderings, and what each adds to it."""
    shared = commonprefix(renderings)
    return shared, [r[len(shared) :] for r in renderings]
