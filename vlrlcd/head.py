"""Token log-probs and exact KL from hidden states, in chunks: `[B, T, V]` logits never exist.

`token_logps` and `logps_and_kl` are collective: every process calls them, so that all run the same number of chunks.

Placeholder ids are masked alike in sampling, student and reference. Everything is float32 at temperature 1.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from model_adapters import ModelAdapter, Tokens
from vlrlcd.processes import ranks

Head = Callable[[Tensor], Tensor]
CHUNK_LOGITS = 2**24
"""Logits alive at a time: 64 MiB of float32."""

# finite, so that probability 0 times a difference of two masked log-probs is 0 and not nan
_MASKED = -1e30


def allowed_logprobs(adapter: ModelAdapter, hidden_NH: Tensor) -> Tensor:
    """Log-probs `[N, V]` in float32, placeholder ids at probability 0."""
    return allowed_logits(adapter, hidden_NH).log_softmax(-1)


def allowed_logits(adapter: ModelAdapter, hidden_NH: Tensor) -> Tensor:
    """Logits `[N, V]` in float32, those of placeholder ids far below all others."""
    logits_NV = adapter.logits(hidden_NH).float()
    # in place: nothing else reads them, and a copy passes over the vocabulary once more
    return logits_NV.index_fill_(-1, _on(logits_NV.device, adapter.placeholder_ids), _MASKED)


@cache
def _on(device: torch.device, ids: Tokens) -> Tensor:
    # once: a copy from the host would wait for the device at every token, and cannot be captured
    return torch.tensor(ids, dtype=torch.long, device=device)


def token_logps(adapter: ModelAdapter, hidden_NH: Tensor, target_N: Tensor) -> Tensor:
    """Log-prob of each target, `[N]` float32."""

    def head(hidden_CH, target_C):
        return allowed_logprobs(adapter, hidden_CH).gather(-1, target_C[:, None])[:, 0]

    return _chunked(adapter, head, hidden_NH, target_N)


def logps_and_kl(
    adapter: ModelAdapter, hidden_NH: Tensor, target_N: Tensor, reference: ModelAdapter, reference_NH: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-prob of each target, and exact KL(student || reference) over the vocabulary at each position, in nats.

    Both `[N]` float32, from one product with the head. The KL's gradient reaches the student's distribution at each
    position and leaves out how the positions were reached [ours].
    """

    def head(student_CH, target_C, reference_CH):
        with torch.no_grad():
            log_r_CV = allowed_logprobs(reference, reference_CH)
        return _LogpsAndKl.apply(allowed_logits(adapter, student_CH), target_C, log_r_CV)

    return _chunked(adapter, head, hidden_NH, target_N, reference_NH).unbind(-1)


class _LogpsAndKl(torch.autograd.Function):
    """`[N, 2]` from logits `[N, V]`, the gradient written out: fewer passes over the vocabulary than autograd takes.

    d logp / d logit_v = [v = target] - p_v, and d KL / d logit_v = p_v (log p_v - log r_v - KL).
    """

    @staticmethod
    def forward(ctx, logits_NV: Tensor, target_N: Tensor, log_r_NV: Tensor) -> Tensor:
        log_p_NV = logits_NV.log_softmax(-1)
        logps_N = log_p_NV.gather(-1, target_N[:, None])[:, 0]
        p_NV, ratio_NV = log_p_NV.exp(), log_p_NV.sub_(log_r_NV)
        kl_N = torch.linalg.vecdot(p_NV, ratio_NV)
        ctx.save_for_backward(p_NV, ratio_NV, kl_N, target_N)
        return torch.stack([logps_N, kl_N], dim=-1)

    @staticmethod
    def backward(ctx, grad_N2: Tensor):
        p_NV, ratio_NV, kl_N, target_N = ctx.saved_tensors
        by_logp_N, by_kl_N = grad_N2.unbind(-1)
        logits_NV = (ratio_NV * by_kl_N[:, None]).sub_((by_logp_N + by_kl_N * kl_N)[:, None]).mul_(p_NV)
        return logits_NV.scatter_add_(-1, target_N[:, None], by_logp_N[:, None]), None, None


def _chunked(adapter: ModelAdapter, head: Callable, *inputs_N: Tensor) -> Tensor:
    vocabulary = adapter.config.get_text_config().vocab_size
    size = max(1, CHUNK_LOGITS // vocabulary)
    # a sharded head is gathered for every chunk, so all processes run the same number of them, some perhaps empty
    count = int(ranks.largest(math.ceil(len(inputs_N[0]) / size)))
    if count == 1:
        return head(*inputs_N)
    chunks = list(zip(*(tensor.tensor_split(count) for tensor in inputs_N), strict=True))
    # recomputed in the backward pass: one chunk of logits is alive at a time
    return torch.cat([checkpoint(head, *chunk, use_reentrant=False) for chunk in chunks])
