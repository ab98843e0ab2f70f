"""Win rates, their intervals and their differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from vlrlcd.judging import win_rate
from vlrlcd.judging.regression import length_controlled
from vlrlcd.judging.win_rate import LEAST, Scored, resampled, win_rate_differences, win_rates

NAMES = ["win_rate", "win_rate_length_controlled", "win_rate_length_matched"]
TRIPLES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=30
)


def scored(triples):
    scores, lengths, others = zip(*triples, strict=True)
    return Scored(np.array(scores), np.array(lengths), np.array(others))


def drawn(count, theta=0.4, phi=1.0, seed=0, shift=60.0):
    rng = np.random.default_rng(seed)
    references = rng.integers(50, 400, count)
    lengths = np.maximum(1, references + rng.normal(shift, 90, count).astype(int))
    gaps = lengths - references
    chances = expit(theta + phi * np.tanh(gaps / gaps.std(ddof=1)))
    return Scored(rng.binomial(2, chances) / 2, lengths, references)


def turned(pairs):
    return Scored(1 - pairs.scores, pairs.reference_lengths, pairs.lengths)


@given(TRIPLES)
def test_turned_round_every_win_rate_is_the_rest_to_one(triples):
    pairs = scored(triples)
    one, other = win_rates(pairs, 2, 0), win_rates(turned(pairs), 2, 0)
    assert list(one) == list(other) == NAMES
    for name in NAMES:
        assert one[name]["n"] == other[name]["n"]
        if one[name]["value"] is None:
            assert other[name]["value"] is None
        else:
            assert one[name]["value"] + other[name]["value"] == pytest.approx(1, abs=1e-6)


@given(st.lists(st.integers(0, 300), min_size=LEAST, max_size=20))
def test_against_itself_it_is_a_half(lengths):
    """Two games with the same answers end in the same verdict, which is won once and lost once."""
    pairs = Scored(np.full(len(lengths), 0.5), np.array(lengths), np.array(lengths))
    for found in win_rates(pairs, 5, 0).values():
        assert found == {"value": 0.5, "low": 0.5, "high": 0.5, "n": len(lengths)}


def test_a_tie_counts_half():
    pairs = Scored(np.array([1.0, 0.5, 0.5, 0.0, 1.0]), np.full(5, 9), np.full(5, 9))
    assert win_rates(pairs, 50, 0)["win_rate"]["value"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("length", "reference", "near"),
    [(80, 100, True), (79, 100, False), (125, 100, True), (126, 100, False), (0, 0, True), (0, 1, False), (5, 4, True)],
)
def test_matched_lengths(length, reference, near):
    pairs = Scored(np.ones(1), np.array([length]), np.array([reference]))
    assert pairs.matched.tolist() == turned(pairs).matched.tolist() == [near]


def test_the_matched_subset_is_counted_alone():
    pairs = Scored(np.array([1.0, 0.0, 1.0]), np.array([100, 300, 90]), np.array([100, 100, 100]))
    found = win_rates(pairs, 50, 0)["win_rate_length_matched"]
    assert found == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}


def test_no_matched_pair_is_no_win_rate():
    found = win_rates(Scored(np.array([1.0, 0.0]), np.array([1, 300]), np.array([100, 10])), 50, 0)
    assert found["win_rate_length_matched"] == {"value": None, "low": None, "high": None, "n": 0}


def test_equal_gaps_cannot_be_told_from_quality():
    found = win_rates(Scored(np.array([1.0, 0.0]), np.array([15, 25]), np.array([10, 20])), 50, 0)
    assert found["win_rate_length_controlled"] == {"value": None, "low": None, "high": None, "n": 2}
    assert found["win_rate"]["value"] == 0.5


@pytest.mark.parametrize("shorter", [0, 9, 10, 40, 190, 191, 200])
def test_where_one_side_is_nearly_always_longer_length_is_not_controlled_for(shorter):
    """Far from all pairs a fit is made up: here longer answers lose, and where all are longer it says that all win."""
    gaps = np.where(np.arange(200) < shorter, -1, 1) * (10 + np.arange(200) % 40 * 2)
    scores = (np.arange(200) % 40 < 26).astype(float)
    pairs = Scored(scores, 200 + gaps, np.full(200, 200))
    for found in (win_rates(pairs, 5, 0), win_rate_differences(pairs, drawn(200), 5, 0)):
        (controlled,) = [metric for name, metric in found.items() if "controlled" in name]
        assert (controlled["value"] is not None) == (10 <= shorter <= 190)
        assert (controlled["low"] is None) == (controlled["value"] is None) and controlled["n"] == 200
    if not shorter:
        assert length_controlled(scores, gaps) > 0.99 > 0.65 == scores.mean()


@pytest.mark.parametrize(("shorter", "overlaps"), [(19, False), (20, True), (780, True), (781, False)])
def test_of_many_pairs_a_share_must_be_on_either_side(shorter, overlaps):
    gaps = np.where(np.arange(800) < shorter, -1, 1)
    assert Scored(np.ones(800), 200 + gaps, np.full(800, 200)).overlaps == overlaps


def test_all_won_is_one():
    pairs = drawn(60)
    found = win_rates(Scored(np.ones(60), pairs.lengths, pairs.reference_lengths), 50, 0)
    assert {found[name]["value"] for name in NAMES} == {1.0}


def test_resamples_are_those_of_a_slow_loop():
    pairs, rng = drawn(60), np.random.default_rng(5)
    chosen = rng.integers(0, 60, (25, 60))
    fast = resampled(length_controlled, (pairs.scores, pairs.gaps), chosen)
    slow = [float(length_controlled(pairs.scores[row], pairs.gaps[row])) for row in chosen]
    assert fast == pytest.approx(slow, abs=1e-7)


def test_bounds_are_the_percentiles_of_resampled_fits_however_many_fit_at_once(monkeypatch):
    pairs = drawn(50)
    found = win_rates(pairs, 200, 7)["win_rate_length_controlled"]
    rng = np.random.default_rng(7)
    slow = [length_controlled(pairs.scores[c], pairs.gaps[c]) for c in (rng.integers(0, 50, 50) for _ in range(200))]
    assert [found["low"], found["high"]] == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=1e-7)
    monkeypatch.setattr(win_rate, "NUMBERS_AT_ONCE", 50 * 9)
    assert win_rates(pairs, 200, 7)["win_rate_length_controlled"] == pytest.approx(found, abs=1e-7)


def test_one_pair_on_the_other_side_is_no_length_controlled_rate():
    """40 pairs of which one is shorter, by little, and lost: a fit would put the rate below one in a hundred."""
    rng = np.random.default_rng(0)
    gaps = np.append(rng.integers(150, 250, 39), -5)
    scores = np.append(rng.binomial(1, 0.5, 39), 0).astype(float)
    found = win_rates(Scored(scores, 300 + gaps, np.full(40, 300)), 50, 0)
    assert length_controlled(scores, gaps) < 0.01 and 0.3 < found["win_rate"]["value"] < 0.7
    assert found["win_rate_length_controlled"] == {"value": None, "low": None, "high": None, "n": 40}


def test_where_many_resamples_tell_nothing_there_is_no_length_controlled_rate():
    """A single pair of another length: what is drawn decides whether length can be told from who answered."""
    gaps, scores = np.append(np.zeros(39), 50).astype(int), np.append(np.ones(6), np.zeros(34))
    pairs = Scored(scores, 100 + gaps, np.full(40, 100))
    assert pairs.overlaps and 0 < length_controlled(scores, gaps) < 1
    drawn_again = np.random.default_rng(3).integers(0, 40, (400, 40))
    assert np.isnan(resampled(length_controlled, (scores, gaps), drawn_again)).mean() > win_rate.WITHOUT_VALUE
    found = win_rates(pairs, 400, 3)["win_rate_length_controlled"]
    assert found == {"value": None, "low": None, "high": None, "n": 40}


def test_19_of_20_intervals_hold_the_true_length_controlled_rate():
    theta, trials = 0.5, 300
    found = [win_rates(drawn(150, theta, 1.2, seed), 200, seed)["win_rate_length_controlled"] for seed in range(trials)]
    held = np.mean([metric["low"] <= expit(theta) <= metric["high"] for metric in found])
    assert 0.91 <= held <= 0.985


def test_the_raw_rate_of_the_same_pairs_is_misled_by_length():
    held = []
    for seed in range(40):
        found = win_rates(drawn(300, 0.0, 1.5, seed, shift=120), 100, seed)
        held.append([found[name]["low"] <= 0.5 <= found[name]["high"] for name in NAMES[:2]])
    raw, controlled = np.mean(held, axis=0)
    assert raw < 0.1 and controlled > 0.8


def test_differences_are_paired_by_prompt():
    """Two students that win and lose the same pairs but for a few: the difference is known better than either."""
    one = drawn(400)
    better = np.where(np.arange(400) % 20 == 0, 1.0, one.scores)
    other = Scored(better, one.lengths, one.reference_lengths)
    found = win_rate_differences(other, one, 400, 0)
    assert list(found) == ["win_rate_difference", "win_rate_length_controlled_difference"]
    alone = win_rates(one, 400, 0)
    for name, metric in found.items():
        whole = alone[name.removesuffix("_difference")]
        assert metric["n"] == 400 and metric["low"] > 0
        assert metric["high"] - metric["low"] < (whole["high"] - whole["low"]) / 2
    assert found["win_rate_difference"]["value"] == pytest.approx((other.scores - one.scores).mean())
    controlled = [win_rates(pairs, 2, 0)["win_rate_length_controlled"]["value"] for pairs in (other, one)]
    assert found["win_rate_length_controlled_difference"]["value"] == pytest.approx(controlled[0] - controlled[1])


def test_a_student_does_not_differ_from_itself():
    pairs = drawn(60)
    for metric in win_rate_differences(pairs, pairs, 100, 0).values():
        assert metric == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 60}


def test_a_difference_that_only_one_of_them_has_is_none():
    known = drawn(60)
    equal = Scored(known.scores, np.full(60, 12), np.full(60, 10))
    assert win_rates(known, 20, 0)["win_rate_length_controlled"]["value"] is not None
    assert win_rate_differences(known, equal, 20, 0)["win_rate_length_controlled_difference"]["value"] is None
