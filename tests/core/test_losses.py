import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.losses import candidate_scores, cross_entropy, group_mean, ldl, log_q
from vlrlcd.ranking.distribution import label_distribution


def group(data, size):
    """Scores, margins, copies; the last candidate of the second row is absent."""
    number = st.floats(-4, 4).map(lambda x: round(x, 3))
    rows = st.lists(st.lists(number, min_size=size, max_size=size), min_size=2, max_size=2)
    s, r = torch.tensor(data.draw(rows)), torch.tensor(data.draw(rows))
    n = torch.tensor(
        data.draw(st.lists(st.lists(st.integers(1, 5), min_size=size, max_size=size), min_size=2, max_size=2))
    )
    n[1, -1] = 0
    return s, r, n.float()


@given(st.data(), st.integers(2, 6), st.floats(0.2, 5))
def test_ldl_gradient_is_a_group_relative_advantage(data, size, temperature):
    s, r, n = group(data, size)
    s.requires_grad_()
    log_d = label_distribution(r, n, tau=0.7, gamma=1.4)
    q = log_q(s, n, temperature)
    loss = ldl(log_d, q)
    (gradient,) = torch.autograd.grad(loss.sum(), s)
    torch.testing.assert_close(gradient, ((q.exp() - log_d.exp()) / temperature).detach().float(), rtol=0, atol=1e-5)
    assert gradient.sum(-1).abs().max() < 1e-5
    assert gradient[1, -1] == 0


@given(st.data(), st.integers(2, 6))
def test_ldl_is_the_divergence(data, size):
    s, r, n = group(data, size)
    log_d, q = label_distribution(r, n, tau=0.7, gamma=1.4), log_q(s, n, 1.0)
    for b in range(2):
        present = [k for k in range(size) if n[b, k] > 0]
        weights = [n[b, k].item() * math.exp(s[b, k].item()) for k in present]
        expected = sum(
            log_d[b, k].exp().item() * (log_d[b, k].item() - math.log(w / sum(weights)))
            for k, w in zip(present, weights, strict=True)
        )
        assert ldl(log_d, q)[b].item() == pytest.approx(expected, abs=1e-5)


def test_uniform_d_leaves_a_student_at_its_reference_alone():
    logps = torch.tensor([[-3.0, -7.0, -1.0]], requires_grad=True)
    lengths, n = torch.tensor([[3.0, 4.0, 2.0]]), torch.tensor([[2.0, 1.0, 1.0]])
    log_d = label_distribution(torch.zeros(1, 3), n, tau=1.0, gamma=1.0)
    gradients = {}
    for kind in ("ratio", "mean", "sum"):
        scores = candidate_scores(kind, logps, logps.detach(), lengths)
        (gradients[kind],) = torch.autograd.grad(ldl(log_d, log_q(scores, n, 1.0)).sum(), logps)
    assert gradients["ratio"].abs().max() < 1e-7
    assert gradients["mean"].abs().max() > 1e-2 and gradients["sum"].abs().max() > 1e-2


def test_candidate_scores():
    logps, reference = torch.tensor([[-6.0, -2.0, 0.0]]), torch.tensor([[-5.0, -4.0, 0.0]])
    lengths = torch.tensor([[3, 2, 0]])
    assert candidate_scores("ratio", logps, reference, lengths).tolist() == [[-1.0, 2.0, 0.0]]
    assert candidate_scores("mean", logps, reference, lengths).tolist() == [[-2.0, -1.0, 0.0]]
    assert candidate_scores("sum", logps, reference, lengths).tolist() == [[-6.0, -2.0, 0.0]]


def test_folding_copies_changes_nothing():
    """Three equal candidates and one other, as four candidates and as two with their multiplicities."""
    r, s, n = torch.tensor([[1.0, 1.0, 1.0, -0.5]]), torch.tensor([[0.3, 0.3, 0.3, 0.9]]), torch.ones(1, 4)
    whole = ldl(label_distribution(r, n, 0.5, 2.0), log_q(s, n, 1.0))
    r, s, n = r[:, 2:], s[:, 2:], torch.tensor([[3.0, 1.0]])
    assert ldl(label_distribution(r, n, 0.5, 2.0), log_q(s, n, 1.0)).item() == pytest.approx(whole.item(), abs=1e-6)


def test_group_mean_is_the_mean_over_the_drawn():
    kl, n = torch.tensor([[0.2, 0.8], [0.5, 0.0]]), torch.tensor([[3.0, 1.0], [4.0, 0.0]])
    assert group_mean(kl, n).tolist() == pytest.approx([(3 * 0.2 + 0.8) / 4, 0.5])


def test_cross_entropy_divides_by_the_steps_tokens():
    halves = cross_entropy(torch.tensor([-1.0, -2.0]), 3) + cross_entropy(torch.tensor([-6.0]), 3)
    assert halves.item() == cross_entropy(torch.tensor([-1.0, -2.0, -6.0]), 3).item() == 3.0
