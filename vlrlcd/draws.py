"""Random numbers that depend on what is drawn, not on when or where: replayable on any number of processes."""

import hashlib

import numpy as np
import torch
from torch import Tensor


def generator(*key: object) -> np.random.Generator:
    """A counter-based generator (Philox) keyed by the representation of `key`, e.g. (seed, step, prompt id, branch)."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def pick(logprobs_NV: Tensor, uniform_N: Tensor, temperature: float, top_p: float) -> Tensor:
    """Draws one token per row by inverting the cumulative distribution at `uniform_N` (float64 in [0, 1)).

    Temperature 0 is the argmax. Tokens of probability 0 are never drawn.
    """
    if temperature == 0:
        return logprobs_NV.argmax(-1)
    probs_NV = (logprobs_NV / temperature).softmax(-1).double()
    if top_p < 1:
        sorted_NV, order_NV = probs_NV.sort(dim=-1, descending=True)
        outside_NV = sorted_NV.cumsum(-1) - sorted_NV >= top_p
        probs_NV = probs_NV.scatter(-1, order_NV, sorted_NV.masked_fill(outside_NV, 0))
    cumulative_NV = probs_NV.cumsum(-1)
    threshold_N1 = uniform_N[:, None].to(cumulative_NV.device) * cumulative_NV[:, -1:]
    return torch.searchsorted(cumulative_NV, threshold_N1, right=True)[:, 0].clamp(max=probs_NV.shape[-1] - 1)
