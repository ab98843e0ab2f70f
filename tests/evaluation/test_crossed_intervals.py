"""Intervals over seeds and questions."""

import numpy as np
import pytest

from vlrlcd.evaluation.intervals import crossed_interval, interval


def test_one_seed_is_the_bootstrap_over_its_questions():
    values = np.random.default_rng(0).random((1, 50))
    assert crossed_interval(values, 200, 3) == interval(values[0].tolist(), 200, 3)


def test_nothing_was_asked():
    assert crossed_interval(np.empty((3, 0)), 100, 0) == {"value": None, "low": None, "high": None, "n": 0}


@pytest.mark.parametrize("seeds", [2, 5])
def test_bounds_are_those_of_a_plain_loop(seeds):
    values = np.random.default_rng(seeds).random((seeds, 40))
    rng, means = np.random.default_rng(99), []
    for _ in range(4000):
        drawn = rng.integers(seeds, size=seeds - 1)
        asked = rng.integers(40, size=40)
        means.append(np.mean([[values[s, q] for q in asked] for s in drawn]))
    found = crossed_interval(values, 4000, 0)
    assert found["value"] == pytest.approx(np.mean(values)) and found["n"] == 40
    assert [found["low"], found["high"]] == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.006)


def test_more_questions_than_fit_at_once_are_resampled_as_the_same(monkeypatch):
    values = np.random.default_rng(0).random((3, 100))
    whole = crossed_interval(values, 300, 5)
    monkeypatch.setattr("vlrlcd.evaluation.intervals.NUMBERS_AT_ONCE", 1000)
    assert crossed_interval(values, 300, 5) == pytest.approx(whole)


def test_what_is_measured_on_the_same_questions_is_resampled_alike():
    values = np.random.default_rng(0).random((3, 30))
    found, shifted = crossed_interval(values, 300, 5), crossed_interval(values + 1, 300, 5)
    assert [shifted[key] - found[key] for key in ("value", "low", "high")] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("spread, least", [(0.0, 0.93), (0.05, 0.87)])
def test_how_often_the_true_mean_is_held_with_five_seeds(spread, least):
    """Of seeds that are alike nearly always; of seeds that differ more than their questions can blur, less often."""
    rng, held = np.random.default_rng(7), []
    for trial in range(200):
        chance_SQ = np.clip(rng.beta(2, 2, 300)[None] + rng.normal(0, spread, (5, 1)), 0, 1)
        found = crossed_interval((rng.random((5, 300)) < chance_SQ).astype(float), 300, trial)
        held.append(found["low"] <= 0.5 <= found["high"])
    assert np.mean(held) >= least
