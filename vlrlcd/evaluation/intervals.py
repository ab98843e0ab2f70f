"""A figure with its uncertainty: 95 % percentile bootstrap intervals over examples."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy.stats import bootstrap

CONFIDENCE = 0.95
NUMBERS_AT_ONCE = 2**20
"""Bounds the memory of a bootstrap: 8 MB of resampled values."""

Metric = dict[str, float | int | None]
"""`value`, `low`, `high` (None where there is nothing to measure) and `n`, the number of examples that count."""


def interval(values: Sequence[float | None], resamples: int, seed: int) -> Metric:
    """Mean of the values that are not None.

    Where there is nothing to resample, one value or all of them equal, low = high = value. The order of the values does
    not matter. Raises ValueError unless `resamples` is a positive whole number.
    """
    counted = np.sort([value for value in values if value is not None])
    if not len(counted) or counted[0] == counted[-1]:
        return _certain(float(counted[0]) if len(counted) else None, len(counted))
    return _bounded((counted,), np.mean, resamples, seed)


def ratio_interval(parts: Sequence[float | None], wholes: Sequence[float | None], resamples: int, seed: int) -> Metric:
    """Sum of the parts over sum of the wholes, resampled together; an example without a whole does not count.

    Args:
        parts: what is counted in each example, such as its false claims.
        wholes: out of how many.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    pairs = np.array(sorted((part, whole) for part, whole in zip(parts, wholes, strict=True) if whole))
    if not len(pairs):
        return _certain(None, 0)
    shares = pairs[:, 0] / pairs[:, 1]
    if (shares == shares[0]).all():
        return _certain(float(shares[0]), len(pairs))
    return _bounded(tuple(pairs.T), lambda part, whole, axis: part.sum(axis) / whole.sum(axis), resamples, seed)


def crossed_interval(values_SQ: np.ndarray, resamples: int, seed: int) -> Metric:
    """Mean over S seeds of training and Q questions that each of them was asked, with seeds and questions resampled.

    Every resample draws seeds and, by themselves, questions, the same questions for all of its seeds (the pigeonhole
    bootstrap, Owen 2007). It draws S - 1 of the S seeds, so that their variance is not too small by (S - 1) / S (Rao
    and Wu 1988). The draws depend on S, Q and `seed` alone: what is measured on the same seeds and questions is
    resampled alike. One seed is not resampled: then this is `interval` over the questions. `n` counts the questions.
    """
    seeds, questions = values_SQ.shape
    if seeds == 1 or not questions:
        return interval(values_SQ.ravel().tolist(), resamples, seed)
    by_seed_RS, by_question_RQ = _drawn(seeds, questions, resamples, seed)
    parts = -(-resamples * questions // NUMBERS_AT_ONCE)
    chunks = zip(np.array_split(by_seed_RS, parts), np.array_split(by_question_RQ, parts), strict=True)
    means = [((asked_rQ @ values_SQ.T) * drawn_rS).sum(1) / questions for drawn_rS, asked_rQ in chunks]
    low, high = np.quantile(np.concatenate(means), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"value": float(values_SQ.mean()), "low": float(low), "high": float(high), "n": questions}


@lru_cache(maxsize=1)
def _drawn(seeds: int, questions: int, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the seeds, `[R, S]`, and how often each question is drawn, `[R, Q]`, by resample.

    A table has hundreds of intervals over the same seeds and questions, and drawing takes longer than averaging.
    """
    rng = np.random.default_rng(seed)
    by_seed_RS = rng.multinomial(seeds - 1, np.full(seeds, 1 / seeds), resamples) / (seeds - 1)
    equally = np.full(questions, 1 / questions)
    drawn = [rng.multinomial(questions, equally).astype(np.int32) for _ in range(resamples)]
    return by_seed_RS, np.stack(drawn)


def differences(values: Sequence[float | None], others: Sequence[float | None]) -> list[float | None]:
    """By example, None where either is; the interval of their mean is the paired one."""
    return [None if None in pair else pair[0] - pair[1] for pair in zip(values, others, strict=True)]


def _certain(value: float | None, count: int) -> Metric:
    return {"value": value, "low": value, "high": value, "n": count}


def _bounded(columns: tuple[np.ndarray, ...], statistic: Callable, resamples: int, seed: int) -> Metric:
    count = len(columns[0])
    found = bootstrap(
        columns,
        statistic,
        n_resamples=resamples,
        batch=max(1, NUMBERS_AT_ONCE // count),
        paired=len(columns) > 1,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return {"value": float(statistic(*columns, axis=0)), "low": float(found.low), "high": float(found.high), "n": count}
