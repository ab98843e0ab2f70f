"""Prompts read once: their keys and values, from which answers are sampled, and in whose light they are ranked.

A judge's prompt begins as the student's own does, images included. While the weights stay, what sampling has read of it
need not be read again: what differs is fed behind it, with the branches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor
from torch.nn.functional import pad

from model_adapters import BranchLayout, ModelAdapter, Prefix, PromptBatch, PromptRow
from vlrlcd.branch_cache import BranchCache
from vlrlcd.head import allowed_logprobs

KEPT_BYTES = 2**31
"""What a process keeps of prompts between sampling and ranking; those beyond it are read again."""
KeysValues = list[tuple[Tensor, Tensor]]
"""Of one prompt in every layer, `[heads, tokens, D]` each."""


@dataclass
class Start:
    """B prefixes that the decoder has read, their keys and values, and the log-probs of every answer's first token."""

    prefix: Prefix
    cache: BranchCache
    logprobs_BV: Tensor


def read_prefixes(adapter: ModelAdapter, batch: PromptBatch) -> Start:
    """Every prefix enters the cache once, whatever K is."""
    prefix, cache = adapter.embed(batch), BranchCache()
    layout = BranchLayout.of_prefixes(batch.mask_BP, batch.padded)
    inputs = prefix.embeds_BPH, prefix.positions, layout.prefix_sees_PP
    hidden_BPH = adapter.decode_states(*inputs, cache, prefix, layout)
    return Start(prefix, cache, allowed_logprobs(adapter, hidden_BPH[:, -1]))


class Kept:
    """Keys and values of prompts in the order in which they were read, None for those that do not fit.

    Attributes:
        prompts: what is kept of each.
        bytes: what all of it takes.
    """

    def __init__(self):
        self.prompts: list[KeysValues | None] = []
        self.bytes = 0

    def take(self, start: Start) -> None:
        layers = [layer.shown() for layer in start.cache.layers]
        more = sum(keys.nbytes + values.nbytes for keys, values in layers)
        fits = self.bytes + more <= KEPT_BYTES
        self.bytes += more if fits else 0
        for b, tokens in enumerate(start.prefix.mask_BP.sum(-1).tolist()):
            own = [(keys[b, :, -tokens:], values[b, :, -tokens:]) for keys, values in layers]
            self.prompts.append(own if fits else None)


@dataclass(frozen=True)
class Read:
    """A prompt that the student has read under the weights that it still has."""

    row: PromptRow
    keys_values: KeysValues


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
    if any(read is None or read.row.images is not row.images for row, read in zip(rows, reads, strict=True)):
        return None
    longest = max(len(row.ids) for row in rows)
    # the last token is fed in any case: it predicts the first of every branch
    fed = max(
        len(row.ids) - len(commonprefix([row.ids[:-1], read.row.ids])) for row, read in zip(rows, reads, strict=True)
    )
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
