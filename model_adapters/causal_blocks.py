"""The gradient of causal attention on a CPU, some queries at a time, each with no more keys than they may see.

A CPU's kernel of PyTorch leaves masked keys out 512 at a time: over a few hundred tokens it computes nearly twice the
pairs that count. Forwards that costs less than the blocks would.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
"""Outputs and their log-sum-exps."""
gradient = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
"""Of queries, keys and values, given theirs, outputs, log-sum-exps and the outputs' own."""

FEWEST = 192
"""Queries to a block: with fewer the kernel takes 32 at a time, with so many 64."""
LONG = 768
"""From here on the kernel takes 256 queries at a time, and is faster by itself."""
# finite, so that a row of nothing but padding stays a number
_HIDDEN = -1e30


@dataclass(frozen=True)
class Block:
    """Queries `start` to `end`, which ask the keys before `end`.

    Attributes:
        mask: what is added to their scores, `[B or 1, 1, queries or 1, end]`, where anything is.
    """

    start: int
    end: int
    mask: Tensor | None

    @property
    def causal(self) -> bool:
        """Whether the kernel is to hide later keys, because the mask does not."""
        return not self.start


def hiding(sees: Tensor) -> Tensor:
    """What hides all else when it is added to scores: a boolean mask in float32."""
    return torch.zeros(sees.shape).masked_fill(~sees, _HIDDEN)


def blocks(mask_BP: Tensor, padded: bool) -> list[Block]:
    """The queries of prefixes in blocks; `padded` says whether the mask hides anything."""
    P = mask_BP.shape[1]
    count = max(1, P // FEWEST) if P < LONG else 1
    ends = [P * number // count for number in range(count + 1)]
    padding = hiding(mask_BP)[:, None, None] if padded else None
    found = []
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        own = None if padding is None else padding[..., :end]
        if start:
            later = hiding(torch.ones(end - start, end, dtype=torch.bool).tril(start))[None, None]
            own = later if own is None else own + later
        found.append(Block(start, end, own))
    return found


def causal_gradient(
    states: list[Tensor], lse_BhP: Tensor, found: list[Block], scale: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values.

    Args:
        states: gradient of the outputs, queries, keys, values and outputs, `[B, heads, P, D]` each.
        lse_BhP: log-sum-exps of the scores.
        found: the blocks of `blocks`.
        scale: of the scores; None is 1 / sqrt(D).
    """
    grad, query, key, value, out = states
    by_query, by_key, by_value = [], None, None
    # the last block asks every key
    for block in reversed(found):
        mine, asked = slice(block.start, block.end), slice(block.end)
        asking = grad[:, :, mine], query[:, :, mine], key[:, :, asked], value[:, :, asked]
        found_there = out[:, :, mine], lse_BhP[:, :, mine]
        mask = None if block.mask is None else block.mask.to(query.dtype)
        own = gradient(*asking, *found_there, 0.0, block.causal, attn_mask=mask, scale=scale)
        by_query.insert(0, own[0])
        if by_key is None:
            _, by_key, by_value = own
        else:
            by_key[:, :, asked] += own[1]
            by_value[:, :, asked] += own[2]
    return join(by_query), by_key, by_value


def join(parts: list[Tensor]) -> Tensor:
    """Parts of `[B, heads, L, D]` along L, tokens before heads in memory, as the layers around attention have them."""
    return torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)
