from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.evaluation.intervals import differences, interval, ratio_interval


def test_nothing_counts():
    assert interval([None, None], 100, 0) == {"value": None, "low": None, "high": None, "n": 0}
    assert interval([], 100, 0) == {"value": None, "low": None, "high": None, "n": 0}


@pytest.mark.parametrize(("values", "n"), [([0.1], 1), ([0.1] * 3, 3), ([0.0, None, 0.0], 2)])
def test_nothing_to_resample(values, n):
    assert interval(values, 100, 0) == {"value": values[0], "low": values[0], "high": values[0], "n": n}


def test_none_is_left_out_of_mean_and_bounds():
    values = [1.0, 0.0, 1.0, 1.0]
    assert interval([None, *values, None], 200, 3) == interval(values, 200, 3)
    assert interval(values, 200, 3)["value"] == 0.75


def test_the_same_seed_gives_the_same_bounds_and_another_seed_others():
    values = list(np.random.default_rng(0).random(50))
    assert interval(values, 500, 1) == interval(values, 500, 1)
    assert interval(values, 500, 1) != interval(values, 500, 2)


def test_the_standard_error_of_a_share():
    found = interval([1.0] * 300 + [0.0] * 700, 4000, 0)
    assert found["value"] == pytest.approx(0.3)
    assert found["n"] == 1000
    margin = 1.96 * (0.3 * 0.7 / 1000) ** 0.5
    assert found["low"] == pytest.approx(0.3 - margin, abs=0.003)
    assert found["high"] == pytest.approx(0.3 + margin, abs=0.003)


def test_19_of_20_intervals_hold_the_true_mean():
    rng = np.random.default_rng(11)
    trials = [interval((rng.random(200) < 0.4).astype(float).tolist(), 400, seed) for seed in range(300)]
    held = np.mean([trial["low"] <= 0.4 <= trial["high"] for trial in trials])
    assert 0.90 <= held <= 0.98


def test_more_values_than_fit_at_once():
    found = interval([0.0, 1.0] * 300_000, 5, 0)
    assert found["value"] == 0.5
    assert 0.495 < found["low"] <= found["high"] < 0.505


@pytest.mark.parametrize("resamples", [0, -1, 2.5])
def test_resamples_are_a_positive_whole_number(resamples):
    with pytest.raises(ValueError):
        interval([0.0, 1.0], resamples, 0)


@given(values=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=30), data=st.data())
def test_bounds_lie_within_the_values_and_do_not_depend_on_the_order(values, data):
    found = interval(values, 50, 0)
    assert found == interval(data.draw(st.permutations(values)), 50, 0)
    counted = [value for value in values if value is not None]
    assert found["n"] == len(counted)
    if counted:
        ends = [min(counted), found["low"], found["high"], max(counted)]
        assert all(left <= right + 1e-12 for left, right in pairwise(ends))


def test_the_interval_of_differences_is_the_paired_one():
    """Two accuracies that rise and fall together: their difference is known better than either."""
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.5
    one = [float(h or rng.random() < 0.1) for h in hard]
    other = [float(h) for h in hard]
    paired = interval(differences(one, other), 2000, 0)
    assert paired["value"] == pytest.approx(np.mean(one) - np.mean(other))
    widths = [found["high"] - found["low"] for found in (paired, interval(one, 2000, 0))]
    assert paired["low"] > 0 and widths[0] < widths[1] / 2


def test_a_difference_needs_both_values():
    assert differences([1.0, None, 0.0, 1.0], [0.0, 1.0, None, 1.0]) == [1.0, None, None, 0.0]


def test_a_ratio_is_of_the_sums_and_its_interval_that_of_resampled_examples():
    parts, wholes = [1.0, 0.0, 3.0, None, 0.0, 2.0], [2.0, 4.0, 3.0, None, 0.0, 5.0]
    found = ratio_interval(parts, wholes, 4000, 0)
    assert (found["value"], found["n"]) == (pytest.approx(6 / 14), 4)
    rng = np.random.default_rng(1)
    pairs = np.array([(p, w) for p, w in zip(parts, wholes, strict=True) if w])
    drawn = [pairs[rng.integers(0, 4, 4)].sum(0) for _ in range(20_000)]
    slow = np.percentile([p / w for p, w in drawn], [2.5, 97.5])
    assert [found["low"], found["high"]] == pytest.approx(slow, abs=0.04)


def test_a_ratio_of_nothing_and_of_equals():
    assert ratio_interval([0.0, None], [0.0, None], 100, 0) == {"value": None, "low": None, "high": None, "n": 0}
    assert ratio_interval([1.0, 2.0], [2.0, 4.0], 100, 0) == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 2}
