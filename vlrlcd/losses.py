"""Pure tensor functions. B groups, K candidates (padded; `copies_BK` is 0 there), N predicted tokens, G branches."""

import torch
from torch import Tensor


def cross_entropy(logps_N: Tensor, answer_tokens: Tensor | float) -> Tensor:
    """Negative log-likelihood summed over the given tokens, divided by `answer_tokens` counted over the whole step."""
    return -logps_N.sum() / answer_tokens


def candidate_scores(kind: str, logps_BK: Tensor, reference_BK: Tensor, lengths_BK: Tensor) -> Tensor:
    """s, the student's score of each candidate, whose softmax in the group is q [ours].

    `ratio` is the summed log-ratio to p_sft, `mean` the mean token log-prob, `sum` the summed log-prob.
    """
    return {
        "ratio": logps_BK - reference_BK,
        "mean": logps_BK / lengths_BK.clamp(min=1),
        "sum": logps_BK,
    }[kind]


def log_q(scores_BK: Tensor, copies_BK: Tensor, temperature: float) -> Tensor:
    """log q over each group, q(k) proportional to n_k exp(s_k / T_q); -inf where there is no candidate."""
    return (scores_BK / temperature + copies_BK.log()).log_softmax(-1)


def ldl(log_d_BK: Tensor, log_q_BK: Tensor) -> Tensor:
    """KL(D || q) of each group, `[B]` [paper, LDL-GRPO]. The gradient in s is (q - D) / T_q."""
    log_d_BK = log_d_BK.to(log_q_BK.dtype)
    present_BK = log_d_BK.isfinite()
    difference_BK = torch.where(present_BK, log_d_BK - log_q_BK.masked_fill(~present_BK, 0), 0)
    return (log_d_BK.exp() * difference_BK).sum(-1)


def group_kl(mean_kl_BK: Tensor, copies_BK: Tensor) -> Tensor:
    """KL to p_sft of each group, `[B]`: the token mean of each candidate, averaged over the K drawn."""
    return (mean_kl_BK * copies_BK).sum(-1) / copies_BK.sum(-1)
