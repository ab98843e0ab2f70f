"""Win rates against references and their differences, with 95 % percentile bootstrap intervals over prompts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vlrlcd.evaluation.intervals import CONFIDENCE, NUMBERS_AT_ONCE, Metric, differences, interval
from vlrlcd.judging.regression import length_controlled

NEAR = (4, 5)
"""Lengths are matched if neither is below 4/5 of the other."""

BOTH_SIDES, LEAST = 0.025, 10
"""In at least this share of the pairs, and in so many, either answer must be the longer one, equal ones counted with
both: the length-controlled rate is read off where lengths are equal, and far from all pairs it would be made up."""
WITHOUT_VALUE = 0.025
"""Of more than this share of the resamples without a value an interval would be one of the others alone: as much as
either tail that it leaves out."""


@dataclass(frozen=True)
class Scored:
    """A student's answers against references, pair by pair.

    Attributes:
        scores: float (n,): the mean of the two games of a pair, each 1 if the student won, 0 if it lost, else 0.5.
        lengths: int (n,): characters of the student's answers.
        reference_lengths: int (n,): characters of the references.
    """

    scores: np.ndarray
    lengths: np.ndarray
    reference_lengths: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """int (n,): by how much the student's answers are longer."""
        return self.lengths - self.reference_lengths

    @property
    def overlaps(self) -> bool:
        """Whether equal lengths lie among those of the pairs, see BOTH_SIDES and LEAST."""
        gaps = self.gaps
        return bool(min((gaps <= 0).sum(), (gaps >= 0).sum()) >= max(LEAST, BOTH_SIDES * len(gaps)))

    @property
    def matched(self) -> np.ndarray:
        """bool (n,): pairs whose lengths are in a ratio within [0.8, 1.25]."""
        less, more = NEAR
        one, other = self.lengths, self.reference_lengths
        return (one * more >= other * less) & (other * more >= one * less)


def win_rates(pairs: Scored, resamples: int, seed: int) -> dict[str, Metric]:
    """The raw win rate (a tie counts half), the length-controlled one, and that of the pairs with matched lengths.

    There is no length-controlled one where nearly all pairs have the same answer as the longer one, or where more than
    WITHOUT_VALUE of the resamples have none.

    Args:
        pairs: what was judged.
        resamples: of the bootstrap; the regression and its standard deviation are fitted anew in each.
        seed: of the bootstrap.
    """
    scores = pairs.scores.tolist()
    near = [score if matched else None for score, matched in zip(scores, pairs.matched, strict=True)]
    return {
        "win_rate": interval(scores, resamples, seed),
        "win_rate_length_controlled": (
            _bounded(length_controlled, (pairs.scores, pairs.gaps), resamples, seed)
            if pairs.overlaps
            else _unknown(len(scores))
        ),
        "win_rate_length_matched": interval(near, resamples, seed),
    }


def win_rate_differences(pairs: Scored, others: Scored, resamples: int, seed: int) -> dict[str, Metric]:
    """How much higher one student's win rates are than another's against the same references, paired by prompt.

    Args:
        pairs: of one student.
        others: of the other, on the same prompts in the same order.
        resamples: of the bootstrap, which draws prompts: both students are counted on the same ones.
        seed: of the bootstrap.
    """
    columns = (pairs.scores, pairs.gaps, others.scores, others.gaps)
    return {
        "win_rate_difference": interval(differences(pairs.scores.tolist(), others.scores.tolist()), resamples, seed),
        "win_rate_length_controlled_difference": (
            _bounded(_controlled_difference, columns, resamples, seed)
            if pairs.overlaps and others.overlaps
            else _unknown(len(pairs.scores))
        ),
    }


def resampled(
    statistic: Callable[..., np.ndarray], columns: tuple[np.ndarray, ...], chosen_RN: np.ndarray
) -> np.ndarray:
    """(R,): the statistic of each resample; `chosen_RN` are the places of its prompts."""
    return statistic(*(column[chosen_RN] for column in columns))


def _controlled_difference(scores: np.ndarray, gaps: np.ndarray, others: np.ndarray, other_gaps: np.ndarray):
    return length_controlled(scores, gaps) - length_controlled(others, other_gaps)


def _bounded(
    statistic: Callable[..., np.ndarray], columns: tuple[np.ndarray, ...], resamples: int, seed: int
) -> Metric:
    """The statistic with its interval; unknown where it, or more than WITHOUT_VALUE of the resamples, has no value."""
    count = len(columns[0])
    value = float(statistic(*columns))
    if np.isnan(value):
        return _unknown(count)
    rng, at_once = np.random.default_rng(seed), max(1, NUMBERS_AT_ONCE // count)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    found = [resampled(statistic, columns, rng.integers(0, count, (size, count))) for size in sizes]
    values, tail = np.concatenate(found), (1 - CONFIDENCE) / 2
    if np.isnan(values).mean() > WITHOUT_VALUE:
        return _unknown(count)
    low, high = map(float, np.nanquantile(values, [tail, 1 - tail]))
    return {"value": value, "low": low, "high": high, "n": count}


def _unknown(count: int) -> Metric:
    return {"value": None, "low": None, "high": None, "n": count}
