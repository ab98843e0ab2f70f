"""Pure tensor functions. B groups, K candidates (padded; `copies_BK` is 0 there), N predicted tokens, G branches."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus


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


def group_mean(values_BK: Tensor, copies_BK: Tensor) -> Tensor:
    """Mean over the K drawn of each group, `[B]`."""
    return (values_BK * copies_BK).sum(-1) / copies_BK.sum(-1)


def dpo(scores_BK: Tensor, r_BK: Tensor, copies_BK: Tensor, beta: float) -> Tensor:
    """DPO over all pairs of a group with r_i > r_j, mean over the pairs, `[B]`; 0 where there is no pair.

    A pair of answers that were drawn n_i and n_j times counts n_i n_j times [ours]. Source: -log sigmoid(beta (s_i -
    s_j)) of Rafailov et al. 2023, s the summed log-ratio to the reference policy.
    """
    copies_BK = copies_BK.to(scores_BK.dtype)
    pairs_BKK = (r_BK[:, :, None] > r_BK[:, None, :]) * copies_BK[:, :, None] * copies_BK[:, None, :]
    loss_BKK = -logsigmoid(beta * (scores_BK[:, :, None] - scores_BK[:, None, :]))
    return (loss_BKK * pairs_BKK).sum((-1, -2)) / pairs_BKK.sum((-1, -2)).clamp(min=1)


def group_advantages(r_BK: Tensor, copies_BK: Tensor) -> Tensor:
    """(r - mean) / (std + 1e-4) over the K drawn of each group, `[B, K]`, 0 where there is no candidate.

    The standard deviation is the unbiased one, as implementations of GRPO have it; of one candidate it is 0.
    """
    drawn_B1 = copies_BK.sum(-1, keepdim=True)
    centred_BK = (r_BK - group_mean(r_BK, copies_BK)[:, None]) * (copies_BK > 0)
    variance_B1 = (centred_BK**2 * copies_BK).sum(-1, keepdim=True) / (drawn_B1 - 1).clamp(min=1)
    return centred_BK / (variance_B1.sqrt() + 1e-4)


def clipped(logps_N: Tensor, old_N: Tensor, advantages_N: Tensor, epsilon: float) -> Tensor:
    """The clipped surrogate of PPO per token, `[N]`, to be lowered.

    Args:
        logps_N: under the student, with gradient.
        old_N: under the student that the answers were drawn from.
        advantages_N: of each token.
        epsilon: how far the ratio of the two may leave 1 before its gradient ends.
    """
    ratio_N = (logps_N - old_N).exp()
    return -torch.minimum(ratio_N * advantages_N, ratio_N.clamp(1 - epsilon, 1 + epsilon) * advantages_N)


def gae(values_T: Tensor, reward: float, gamma: float, lam: float) -> Tensor:
    """Generalised advantages of the tokens of one answer, `[T]`, the reward coming with the last.

    A_t = sum_l (gamma lam)^l delta_{t+l} with delta_t = gamma V_{t+1} - V_t, and reward - V_T at the end (Schulman et
    al. 2016). A_t + V_t is what the value of the token is fitted to.
    """
    advantages_T, following, advantage = torch.zeros_like(values_T), 0.0, 0.0
    for t in reversed(range(len(values_T))):
        last = t + 1 == len(values_T)
        delta = (reward if last else gamma * following) - values_T[t]
        advantage = delta + gamma * lam * advantage
        advantages_T[t], following = advantage, values_T[t]
    return advantages_T


def pu_risk(positive_P: Tensor, unlabelled_U: Tensor, prior: float) -> Tensor:
    """Non-negative positive-unlabelled risk of log-odds, a scalar (Kiryo et al. 2017) with the logistic loss.

    prior E_P[l(z)] + max(0, E_U[l(-z)] - prior E_P[l(-z)]), l(z) = log(1 + e^-z).

    Args:
        positive_P: log-odds of answers that are known to be good.
        unlabelled_U: log-odds of answers that may be either.
        prior: share of good answers among the unlabelled, in (0, 1).
    """
    negative = softplus(unlabelled_U).mean() - prior * softplus(positive_P).mean()
    return prior * softplus(-positive_P).mean() + negative.clamp(min=0)
