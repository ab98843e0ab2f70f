"""A mean with its uncertainty."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import bootstrap

CONFIDENCE = 0.95
NUMBERS_AT_ONCE = 2**20
"""Bounds the memory of a bootstrap: 8 MB of resampled values."""


def interval(values: Sequence[float | None], resamples: int, seed: int) -> dict[str, float | int | None]:
    """Mean of the values that are not None, and its 95 % percentile bootstrap interval over examples.

    Returns `value`, `low`, `high` (None without values) and `n`, the number of values. Where there is nothing to
    resample, one value or all of them equal, low = high = value. The order of the values does not matter.
    Raises ValueError unless `resamples` is a positive whole number.
    """
    counted = np.sort([value for value in values if value is not None])
    low, mean, high = _bounds(counted, resamples, seed) if len(counted) else (None, None, None)
    return {"value": mean, "low": low, "high": high, "n": len(counted)}


def differences(values: Sequence[float | None], others: Sequence[float | None]) -> list[float | None]:
    """By example, None where either is; the interval of their mean is the paired one."""
    return [None if None in pair else pair[0] - pair[1] for pair in zip(values, others, strict=True)]


def _bounds(counted: np.ndarray, resamples: int, seed: int) -> tuple[float, float, float]:
    if counted[0] == counted[-1]:
        return (float(counted[0]),) * 3
    found = bootstrap(
        (counted,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, NUMBERS_AT_ONCE // len(counted)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(counted.mean()), float(found.high)
