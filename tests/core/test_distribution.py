import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from vlrlcd.ranking.distribution import NothingToCalibrate, calibrate_tau, effective_size, label_distribution, tied

margins = st.lists(st.floats(-30, 30).map(lambda r: round(r, 3)), min_size=2, max_size=8)
scale = st.floats(0.05, 20)


def log_d(r, tau, gamma, n=None):
    n = n or [1.0] * len(r)
    return label_distribution(torch.tensor([r]), torch.tensor([n]), tau, gamma)[0]


def slow_d(r, n, tau, gamma):
    weights = [k / (1 + math.exp(-gamma * x)) * math.exp(x / tau) for x, k in zip(r, n, strict=True)]
    return [w / sum(weights) for w in weights]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.floats(0.2, 5), st.floats(0, 5), st.data())
def test_against_the_formula(r, tau, gamma, data):
    n = data.draw(st.lists(st.integers(1, 8), min_size=len(r), max_size=len(r)))
    mine = log_d(r, tau, gamma, [float(k) for k in n]).exp()
    assert mine.tolist() == pytest.approx(slow_d(torch.tensor(r).tolist(), n, tau, gamma), rel=1e-9)


@given(margins, scale, st.floats(0, 20), st.data())
def test_order_theorem(r, tau, gamma, data):
    """Theorem 3.1, in log space, of D / n."""
    n = data.draw(st.lists(st.integers(1, 8).map(float), min_size=len(r), max_size=len(r)))
    r = torch.tensor(r).tolist()
    per_copy = (log_d(r, tau, gamma, n) - torch.tensor(n).log()).tolist()
    for ri, di in zip(r, per_copy, strict=True):
        for rj, dj in zip(r, per_copy, strict=True):
            if ri > rj:
                assert di > dj
                assert di - dj >= (ri - rj) / tau - 1e-6


@given(margins, scale, st.floats(0, 20), st.floats(0.1, 10))
def test_near_optimality_theorem(r, tau, gamma, delta):
    """Theorem 3.2, both bounds."""
    d = log_d(r, tau, gamma).exp()
    regret = max(r) - torch.tensor(r, dtype=torch.float64)
    assert (d * regret).sum() <= tau * math.log(len(r)) + 1e-5
    assert d[regret >= delta].sum() <= (len(r) - 1) * math.exp(-delta / tau) + 1e-5


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(-5, 5), st.floats(0.2, 5), st.floats(0.1, 5))
def test_the_anchors_score_acts_through_sigma_alone(g, anchor, tau, gamma):
    margin = [x - anchor for x in g]
    assert log_d(margin, tau, 0.0).tolist() == pytest.approx(log_d(g, tau, 0.0).tolist(), abs=1e-4)
    cancelled = [math.exp(x / tau) / (1 + math.exp(-gamma * m)) for x, m in zip(g, margin, strict=True)]
    assert log_d(margin, tau, gamma).exp().tolist() == pytest.approx(
        [w / sum(cancelled) for w in cancelled], rel=1e-3, abs=1e-9
    )


def test_gamma_lets_the_anchor_matter():
    g = [1.0, 0.0]
    assert log_d([x - 3 for x in g], 1.0, 1.0).exp()[0] > log_d([x + 3 for x in g], 1.0, 1.0).exp()[0] + 0.05


def test_absent_candidates_have_no_mass():
    r, n = torch.tensor([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]]), torch.tensor([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    d = label_distribution(r, n, 1.0, 1.0)
    assert d[0, 2] == -torch.inf and d[0, :2].exp().sum() == pytest.approx(1)
    assert effective_size(d)[1].item() == pytest.approx(3)
    assert 1 < effective_size(d)[0] < 2


def test_d_is_a_target_without_gradient():
    r = torch.tensor([[1.0, 2.0]], requires_grad=True)
    assert not label_distribution(r, torch.ones(1, 2), 1.0, 1.0).requires_grad


def test_tied_looks_at_present_candidates_only():
    r = torch.tensor([[1.0, 1.0, 9.0], [1.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
    n = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0], [8.0, 0.0, 0.0]])
    assert tied(r, n).tolist() == [True, False, True]


@given(st.lists(margins.filter(lambda r: len(set(r)) >= 3), min_size=1, max_size=5))
def test_calibration_makes_the_median_share_one_half(groups):
    for r in groups:
        values = sorted(set(r))
        assume(min(b - a for a, b in zip(values, values[1:], strict=False)) >= 0.01)
    tau = calibrate_tau(groups)
    shares = []
    for r in groups:
        values = sorted(set(r))
        d = plain_d(values, tau)
        shares.append(math.exp(-sum(p * math.log(p) for p in d if p > 0)) / len(values))
    shares.sort()
    middle = len(shares) // 2
    median = shares[middle] if len(shares) % 2 else (shares[middle - 1] + shares[middle]) / 2
    assert median == pytest.approx(0.5, abs=1e-3)


def plain_d(values, tau):
    """D at gamma = 1 / tau in plain Python, shifted so that nothing overflows."""
    logs = [
        -math.log1p(math.exp(-x / tau)) + x / tau if x > 0 else 2 * x / tau - math.log1p(math.exp(x / tau))
        for x in values
    ]
    top = max(logs)
    weights = [math.exp(v - top) for v in logs]
    return [w / sum(weights) for w in weights]


def test_calibration_counts_each_distinct_margin_once():
    assert calibrate_tau([[0.0, 1.0, 2.0, 2.0, 2.0]]) == calibrate_tau([[0.0, 1.0, 2.0]])


def test_calibration_is_in_the_unit_of_the_margins():
    assert calibrate_tau([[0.0, 10.0, 25.0]]) == pytest.approx(10 * calibrate_tau([[0.0, 1.0, 2.5]]), rel=1e-6)


@pytest.mark.parametrize("groups", [[], [[1.0, 2.0]], [[1.0, 1.0, 1.0], [1.0, 2.0, 2.0]]])
def test_nothing_to_calibrate(groups):
    with pytest.raises(NothingToCalibrate):
        calibrate_tau(groups)
