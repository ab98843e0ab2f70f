"""Margins r to the label distribution D, and the one scale tau that both need."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True)
class Scale:
    """tau and gamma of the label distribution, fixed for a run."""

    tau: float
    gamma: float


def label_distribution(r_BK: Tensor, copies_BK: Tensor, tau: float, gamma: float) -> Tensor:
    """log D over the candidates of each group, `[B, K]`, -inf where there is no candidate.

    D(k) is proportional to n_k sigma(gamma r_k) exp(r_k / tau) [paper; the multiplicity n_k is ours]. Computed in
    float64 log space, because the order theorem holds for D / n. No gradient: D is a target.
    """
    r_BK = r_BK.detach().double()
    return (logsigmoid(gamma * r_BK) + r_BK / tau + copies_BK.double().log()).log_softmax(-1)


def effective_size(log_p_BK: Tensor) -> Tensor:
    """Perplexity of each distribution, `[B]`: between 1 and the number of candidates."""
    return torch.special.entr(log_p_BK.exp()).sum(-1).exp()


def tied(r_BK: Tensor, copies_BK: Tensor) -> Tensor:
    """True for groups whose candidates all have the same r, `[B]`: they carry no preference."""
    present_BK = copies_BK > 0
    highest = r_BK.masked_fill(~present_BK, -torch.inf).amax(-1)
    lowest = r_BK.masked_fill(~present_BK, torch.inf).amin(-1)
    return highest == lowest


class NothingToCalibrate(Exception):
    """No group had three distinct scores."""


def calibrate_tau(margins: Sequence[Sequence[float]]) -> float:
    """The tau at which the median over groups of (effective size of D) / U is one half [ours].

    U is the number of distinct margins of a group; groups with U < 3 are left out and gamma is 1 / tau. Each distinct
    margin counts once, so the ratio rises from 1/U to 1 with tau and a root exists.

    Raises:
        NothingToCalibrate: no group has three distinct margins.
    """
    groups = [torch.tensor(sorted(set(r)), dtype=torch.float64) for r in margins if len(set(r)) >= 3]
    if not groups:
        raise NothingToCalibrate

    def median_share(tau: float) -> float:
        shares = [
            effective_size((logsigmoid(r_U / tau) + r_U / tau).log_softmax(-1)[None]).item() / len(r_U)
            for r_U in groups
        ]
        return torch.tensor(shares, dtype=torch.float64).quantile(0.5).item()

    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if median_share(middle) < 0.5 else (low, middle)
    return (low * high) ** 0.5
