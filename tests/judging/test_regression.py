"""The regression against scikit-learn's, and what must hold of any data."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from vlrlcd.judging.regression import length_controlled

SCORES = st.sampled_from([0.0, 0.5, 1.0])
PAIRS = st.lists(st.tuples(SCORES, st.integers(-300, 300)), min_size=1, max_size=40)


def columns(pairs):
    scores, gaps = zip(*pairs, strict=True)
    return np.array(scores), np.array(gaps)


def drawn(seed):
    """Pairs of any size, slope and bias, but such that length alone does not tell won from lost."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(30, 400))
    spread = rng.uniform(5, 200)
    gaps = np.rint(rng.normal(rng.uniform(-2, 2) * spread, spread, count)).astype(int)
    if seed % 3 == 0:
        gaps = rng.permutation(np.where(rng.random(count) < 0.8, gaps, gaps * 20))
    chances = expit(rng.normal(0, 0.7) + rng.normal(0, 1.2) * np.tanh(gaps / gaps.std(ddof=1)))
    return rng.binomial(2, chances) / 2, gaps


def by_sklearn(scores, gaps):
    """Each pair as two rows, won and lost, weighted by its score; no penalty."""
    terms = np.tanh(gaps / gaps.std(ddof=1))[:, None]
    weights = np.concatenate([scores, 1 - scores])
    won = np.repeat([1, 0], len(scores))
    rows, kept = np.concatenate([terms, terms]), weights > 0
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    fitted.fit(rows[kept], won[kept], sample_weight=weights[kept])
    return fitted.predict_proba([[0.0]])[0, 1]


@pytest.mark.parametrize("seed", range(60))
def test_it_is_scikit_learn_s_fit(seed):
    scores, gaps = drawn(seed)
    assert abs(length_controlled(scores, gaps) - by_sklearn(scores, gaps)) < 0.001


def test_many_rows_at_once_are_each_of_them_alone():
    found = [drawn(seed) for seed in range(40)]
    scores, gaps = (np.stack([pair[place][:30] for pair in found]) for place in (0, 1))
    alone = [float(length_controlled(*row)) for row in zip(scores, gaps, strict=True)]
    assert length_controlled(scores, gaps) == pytest.approx(alone, abs=1e-7)
    nested = length_controlled(scores.reshape(5, 8, 30), gaps.reshape(5, 8, 30))
    assert nested.shape == (5, 8) and nested.ravel() == pytest.approx(alone, abs=1e-7)


@given(PAIRS)
@example([(1.0, 5), (0.0, -5)])
@example([(1.0, 300), (0.5, -300), (0.0, -299)])
def test_turned_round_it_is_the_rest_to_one(pairs):
    scores, gaps = columns(pairs)
    one, other = length_controlled(scores, gaps), length_controlled(1 - scores, -gaps)
    assert np.isnan(one) == np.isnan(other)
    if not np.isnan(one):
        assert 0 <= one <= 1 and one + other == pytest.approx(1, abs=1e-6)


@given(PAIRS)
def test_neither_order_nor_unit_of_length_matter(pairs):
    scores, gaps = columns(pairs)
    other = length_controlled(scores[::-1], gaps[::-1] * 7)
    assert other == pytest.approx(float(length_controlled(scores, gaps)), abs=1e-6, nan_ok=True)


@given(st.lists(SCORES, min_size=1, max_size=30))
def test_equal_lengths_leave_nothing_to_correct(scores):
    assert length_controlled(np.array(scores), np.zeros(len(scores), int)) == pytest.approx(np.mean(scores))


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30).filter(lambda gaps: len(set(gaps)) > 1))
def test_all_won_is_one_and_all_lost_none(gaps):
    assert length_controlled(np.ones(len(gaps)), np.array(gaps)) == 1.0
    assert length_controlled(np.zeros(len(gaps)), np.array(gaps)) == 0.0
    both = np.array([*gaps, *(-gap for gap in gaps)])
    assert length_controlled(np.full(len(both), 0.5), both) == 0.5


@pytest.mark.parametrize("gaps", [[7], [7, 7], [-3] * 20])
def test_one_gap_for_all_tells_nothing(gaps):
    for score in (0.0, 0.5, 1.0):
        assert np.isnan(length_controlled(np.full(len(gaps), score), np.array(gaps)))


@pytest.mark.parametrize("gap", [300, 1000])
def test_nearly_equal_gaps_tell_nothing_either(gap):
    gaps = gap + np.random.default_rng(0).integers(-40, 40, 100)
    scores = np.tile([0.0, 1.0], 50)
    assert np.isnan(length_controlled(scores, gaps)) and not np.isnan(length_controlled(scores, gaps - gap))


@given(st.lists(st.integers(-200, 200), min_size=3, max_size=60), st.floats(0.1, 0.9))
@example([-200, -1, 1, 2, 3, 200], 0.5)
def test_separable_pairs_stay_finite(gaps, share):
    gaps = np.array(gaps)
    gaps = np.concatenate([gaps, -gaps - 1])
    found = length_controlled((gaps > np.quantile(gaps, share)).astype(float), gaps)
    assert np.isfinite(found) and 0 <= found <= 1


def test_separable_and_symmetrical_is_a_half():
    gaps = np.array([-40, -30, -1, 1, 30, 40])
    assert length_controlled((gaps > 0).astype(float), gaps) == pytest.approx(0.5, abs=1e-6)


def test_a_planted_length_bias_is_taken_out():
    """As good as the reference, longer, and liked for it."""
    rng = np.random.default_rng(3)
    gaps = rng.normal(120, 100, 20_000)
    scores = rng.binomial(2, expit(1.5 * np.tanh(gaps / gaps.std(ddof=1)))) / 2
    assert scores.mean() > 0.7 and length_controlled(scores, gaps) == pytest.approx(0.5, abs=0.015)
