"""The length-controlled win rate: what the win rate would be if length did not speak.

AlpacaEval's regression (Dubois et al. 2024, arXiv 2404.04475) without its difficulties of single instructions, which
are fitted on other people's models:

    q(win) = logistic(theta + phi * tanh((len_m - len_b) / std(len_m - len_b)))

with character lengths and the sample's standard deviation. It is fitted on the pairs themselves by maximum likelihood,
and the length-controlled win rate is logistic(theta): the length term set to 0.
"""

import numpy as np
from scipy.special import expit, logit

RIDGE = 1e-4
"""Weight of phi^2 / 2 in the loss. It keeps phi finite where length alone tells won from lost; theta is left alone."""
LEAST_INFORMATION = 0.1
"""What pairs must tell of phi, at least: with less its standard error is above 3, and theta, read off where the gap is
0, could be anything. It is a thousand times the ridge, which therefore never decides."""
PRECISE = 1e-9
"""Largest gradient of the loss of one pair at which a fit is done."""
MOST_STEPS = 200
HALVINGS = 40


def length_controlled(scores: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """The length-controlled win rate of each row of pairs.

    Args:
        scores: (..., n) in [0, 1], 1 where the first of a pair won; n is at least 1.
        gaps: (..., n) lengths of the first answers less those of the second.

    Returns:
        (...) win rates. Where all gaps are 0 it is the mean score, where all pairs were won 1. NaN where all gaps are
        equal and not 0, or so nearly that what length does cannot be told from theta.
    """
    shape, pairs = np.shape(scores)[:-1], np.shape(scores)[-1]
    scores, gaps = (np.reshape(values, (-1, pairs)).astype(float) for values in (scores, gaps))
    means = scores.mean(-1)
    unequal = (gaps != gaps[:, :1]).any(-1)
    fitted = np.flatnonzero(unequal & (means > 0) & (means < 1))
    rates = np.where(unequal | (gaps[:, 0] == 0), means, np.nan)
    if len(fitted):
        terms = np.tanh(gaps[fitted] / gaps[fitted].std(-1, ddof=1, keepdims=True))
        told = pairs * terms.var(-1) * means[fitted] * (1 - means[fitted]) >= LEAST_INFORMATION
        rates[fitted[~told]] = np.nan
        rates[fitted[told]] = expit(_fit(scores[fitted[told]], terms[told])[:, 0])
    return rates.reshape(shape)


def _fit(scores: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """(rows, 2): theta and phi of each row by Newton's method; a step that does not lower the loss is halved."""
    found = np.stack([logit(scores.mean(-1)), np.zeros(len(scores))], axis=-1)
    left = np.arange(len(found))
    for _ in range(MOST_STEPS):
        own, own_terms, at = scores[left], terms[left], found[left]
        slope, curvature = _derivatives(own, own_terms, at)
        far = (np.abs(slope) > PRECISE * scores.shape[-1]).any(-1)
        if not far.any():
            break
        left, own, own_terms, at = left[far], own[far], own_terms[far], at[far]
        step = np.linalg.solve(curvature[far], slope[far, :, None])[..., 0]
        found[left] = at - step * _shortened(own, own_terms, at, step)[:, None]
    return found


def _shortened(scores: np.ndarray, terms: np.ndarray, at: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(rows,): the largest of 1, 1/2, 1/4, ... of the step that does not raise the loss."""
    share, before = np.ones(len(at)), _loss(scores, terms, at)
    too_long = np.arange(len(at))
    for _ in range(HALVINGS):
        tried = at[too_long] - step[too_long] * share[too_long, None]
        slack = 1e-12 * np.abs(before[too_long])
        too_long = too_long[_loss(scores[too_long], terms[too_long], tried) > before[too_long] + slack]
        if not len(too_long):
            break
        share[too_long] /= 2
    return share


def _loss(scores: np.ndarray, terms: np.ndarray, at: np.ndarray) -> np.ndarray:
    logits = at[:, :1] + at[:, 1:] * terms
    return (np.logaddexp(0, logits) - scores * logits).sum(-1) + RIDGE / 2 * at[:, 1] ** 2


def _derivatives(scores: np.ndarray, terms: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (rows, 2) and Hessian (rows, 2, 2) of the loss."""
    chances = expit(at[:, :1] + at[:, 1:] * terms)
    missed, weights = chances - scores, chances * (1 - chances)
    slope = np.stack([missed.sum(-1), (missed * terms).sum(-1) + RIDGE * at[:, 1]], axis=-1)
    mixed = (weights * terms).sum(-1)
    # where all chances are 0 or 1 in floating point, the loss has no curvature left to divide by
    of_theta = np.maximum(weights.sum(-1), np.finfo(float).eps)
    of_phi = (weights * terms**2).sum(-1) + RIDGE
    return slope, np.stack([of_theta, mixed, mixed, of_phi], axis=-1).reshape(-1, 2, 2)
