"""Prompts that p_sft reads once: keys and values kept from ranking, for its log-probs as the reference.

A judge's prompt begins as the student's own does, images included. What p_sft has read of that while it ranked need not
be read again: what differs is fed behind it, with the branches. Its weights do not move, so the numbers are the same
but for their rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import Cache

from model_adapters import ModelAdapter, Prefix, PromptBatch, PromptRow, Tokens
from vlrlcd.branch_cache import BranchCache

KEPT_BYTES = 2**31
"""When a process has kept so much of the prompts of a step, it reads the others again."""


@dataclass(frozen=True)
class Read:
    """The beginning of a prompt, the row's images, and keys and values of every layer, `[heads, tokens, D]` each."""

    ids: Tokens
    images: dict[str, Tensor]
    keys_values: list[tuple[Tensor, Tensor]]


class Keeping(Cache):
    """Keeps the beginnings of prefixes during a pass, and hands keys and values on as they are.

    Attributes:
        reads: what is kept of every row; None of one that has no use for it.
    """

    def __init__(self, mask_BP: Tensor, rows: Sequence[PromptRow], lengths: Sequence[int]):
        """Keeps so many tokens of the prompts of a batch."""
        super().__init__(layers=[])
        first_B = (mask_BP.shape[1] - mask_BP.sum(-1)).tolist()
        self._spans = [slice(first, first + length) for first, length in zip(first_B, lengths, strict=True)]
        kept = zip(rows, lengths, strict=True)
        self.reads = [Read(row.ids[:length], row.images, []) if length else None for row, length in kept]

    @classmethod
    def of(
        cls, adapter: ModelAdapter, batch: PromptBatch, prompts: Sequence[tuple[PromptRow, PromptRow]]
    ) -> "Keeping | None":
        """What to keep of judge's prompts for the student's own (pairs of them); None where that is nothing."""
        lengths = [_shared(adapter, own, judge.ids) for judge, own in prompts]
        return cls(batch.mask_BP, [judge for judge, _ in prompts], lengths) if any(lengths) else None

    @property
    def bytes(self) -> int:
        """What it has kept so far."""
        kept = [states for read in self.reads if read for layer in read.keys_values for states in layer]
        return sum(states.nbytes for states in kept)

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        for b, (read, span) in enumerate(zip(self.reads, self._spans, strict=True)):
            if read:
                # copies: a view would hold on to the whole pass
                read.keys_values.append((key_states[b, :, span].clone(), value_states[b, :, span].clone()))
        return key_states, value_states


@dataclass(frozen=True)
class Known:
    """What is known of the prefixes of a batch, all but their last `fed` columns; for one pass, which adds to it."""

    fed: int
    cache: BranchCache

    def prefix(self, adapter: ModelAdapter, batch: PromptBatch) -> Prefix:
        """The whole prefixes, with embeddings of what is fed alone."""
        embeds_BFH = adapter.embed_tokens(batch.ids_BP[:, -self.fed :])
        return Prefix(embeds_BFH, batch.mask_BP, adapter.positions(batch), torch.zeros_like(batch.mask_BP))


def known(adapter: ModelAdapter, rows: Sequence[PromptRow], reads: Sequence[Read | None]) -> Known | None:
    """What p_sft has read of the prompts of a batch; None where some prompt, or an image in it, must be read anew."""
    pairs = list(zip(rows, reads, strict=True))
    if not pairs or any(read is None or read.images is not row.images for row, read in pairs):
        return None
    fed = max(len(row.ids) - _shared(adapter, row, read.ids) for row, read in pairs)
    longest, lengths = max(len(row.ids) for row in rows), [max(0, len(row.ids) - fed) for row in rows]
    if fed == longest or any(_places(adapter, row.ids[-fed:]) for row in rows):
        return None
    cache = BranchCache()
    for layer in zip(*(read.keys_values for read in reads), strict=True):
        cache.add(*(_beside(states, lengths, longest - fed) for states in zip(*layer, strict=True)))
    return Known(fed, cache)


def _shared(adapter: ModelAdapter, row: PromptRow, read: Tokens) -> int:
    """Tokens of a prompt that need not be read again; none where an image would have to be."""
    # the last token is fed in any case: it predicts the first of every branch
    shared = len(commonprefix([row.ids[:-1], read]))
    return 0 if _places(adapter, row.ids[shared:]) else shared


def _places(adapter: ModelAdapter, ids: Tokens) -> bool:
    """Whether an image, or a part of one, stands among tokens."""
    return not set(adapter.placeholder_ids).isdisjoint(ids)


def _beside(states: Sequence[Tensor], lengths: list[int], width: int) -> Tensor:
    """The first tokens of each prompt's `[heads, tokens, D]`, padded on the left: `[B, heads, width, D]`."""
    cut = [own[:, :length] for own, length in zip(states, lengths, strict=True)]
    return torch.stack([pad(own, (0, 0, width - own.shape[1], 0)) for own in cut])
