"""Prompts that p_sft has read once: their keys and values, kept from ranking for its log-probs as the reference.

A judge's prompt begins as the student's own does, images included. What p_sft has read of it while it ranked need not
be read again: what differs is fed behind it, with the branches. The numbers are the same, its weights do not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor
from torch.nn.functional import pad

from model_adapters import ModelAdapter, Prefix, PromptBatch, PromptRow
from vlrlcd.branch_cache import BranchCache

KEPT_BYTES = 2**31
"""What a process keeps of the prompts of a step; those beyond it are read again."""
KeysValues = list[tuple[Tensor, Tensor]]
"""Of one prompt in every layer, `[heads, tokens, D]` each."""


@dataclass(frozen=True)
class Read:
    """A prompt that p_sft has read."""

    row: PromptRow
    keys_values: KeysValues


class Kept:
    """What passes over prefixes and branches leave of the prefixes, prompt by prompt; None for one without room.

    Attributes:
        prompts: of all passes so far.
        bytes: what all of it takes.
    """

    def __init__(self):
        self.prompts: list[KeysValues | None] = []
        self.bytes = 0

    def take(self, mask_BP: Tensor, cache: BranchCache) -> None:
        """The prefixes of a pass that wrote into a cache."""
        P, lengths = mask_BP.shape[1], mask_BP.sum(-1).tolist()
        layers = [layer.shown() for layer in cache.layers]
        for b, length in enumerate(lengths):
            # without the branches behind it, which a view would hold on to
            own = [tuple(states[b, :, P - length : P] for states in layer) for layer in layers]
            more = sum(states.nbytes for layer in own for states in layer)
            fits = self.bytes + more <= KEPT_BYTES
            self.bytes += more if fits else 0
            self.prompts.append([tuple(states.clone() for states in layer) for layer in own] if fits else None)


@dataclass(frozen=True)
class Known:
    """What is known of the prefixes of a batch: all but their last `fed` columns."""

    fed: int
    cache: BranchCache

    def prefix(self, adapter: ModelAdapter, batch: PromptBatch) -> Prefix:
        """The whole prefixes, with embeddings of what is fed alone."""
        embeds_BFH = adapter.embed_tokens(batch.ids_BP[:, -self.fed :])
        return Prefix(embeds_BFH, batch.mask_BP, adapter.positions(batch), torch.zeros_like(batch.mask_BP))


def known(adapter: ModelAdapter, rows: Sequence[PromptRow], reads: Sequence[Read | None]) -> Known | None:
    """What has been read of the prompts of a batch; None where nothing has, of one of them or of an image in it."""
    if not rows or any(
        read is None or read.row.images is not row.images for row, read in zip(rows, reads, strict=True)
    ):
        return None
    longest = max(len(row.ids) for row in rows)
    # the last token is fed in any case: it predicts the first of every branch
    shared = [len(commonprefix([row.ids[:-1], read.row.ids])) for row, read in zip(rows, reads, strict=True)]
    fed = max(len(row.ids) - length for row, length in zip(rows, shared, strict=True))
    if fed >= longest or any(token in adapter.placeholder_ids for row in rows for token in row.ids[-fed:]):
        return None
    cache = BranchCache()
    lengths = [max(0, len(row.ids) - fed) for row in rows]
    for layer in zip(*(read.keys_values for read in reads), strict=True):
        cache.add(*(_beside(states, lengths, longest - fed) for states in zip(*layer, strict=True)))
    return Known(fed, cache)


def _beside(states: Sequence[Tensor], lengths: list[int], width: int) -> Tensor:
    """The first tokens of each prompt's `[heads, tokens, D]`, padded on the left: `[B, heads, width, D]`."""
    cut = [own[:, :length] for own, length in zip(states, lengths, strict=True)]
    return torch.stack([pad(own, (0, 0, width - own.shape[1], 0)) for own in cut])
