import math

import pytest
import torch

from tests.core.stubs import HeadOnly
from vlrlcd import head
from vlrlcd.head import allowed_logprobs, logps_and_kl, token_logps


@pytest.fixture
def work():
    adapter, reference = HeadOnly(seed=1), HeadOnly(seed=2)
    rng = torch.manual_seed(3)
    hidden, other = torch.randn(13, 6, generator=rng), torch.randn(13, 6, generator=rng)
    target = torch.tensor([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2])
    return adapter, reference, hidden.requires_grad_(), other, target


def dense_logprobs(adapter, hidden):
    """float64, the placeholder's column cut out instead of masked."""
    kept = [i for i in range(11) if i not in adapter.placeholder_ids]
    weight, bias = adapter.head.weight.double()[kept], adapter.head.bias.double()[kept]
    return kept, (hidden.double() @ weight.T + bias).log_softmax(-1)


def gradients(value, weights, *leaves):
    return torch.autograd.grad((value * weights.to(value.dtype)).sum(), leaves, retain_graph=True)


def test_token_logps_equal_a_dense_computation(work):
    adapter, _, hidden, _, target = work
    kept, logprobs = dense_logprobs(adapter, hidden)
    expected = torch.stack([row[kept.index(t)] for row, t in zip(logprobs, target.tolist(), strict=True)])
    mine = token_logps(adapter, hidden, target)
    assert mine.dtype == torch.float32
    torch.testing.assert_close(mine.double(), expected, rtol=0, atol=1e-6)
    weights, leaves = torch.arange(13.0), (hidden, adapter.head.weight, adapter.head.bias)
    pairs = zip(gradients(mine, weights, *leaves), gradients(expected, weights, *leaves), strict=True)
    for found, wanted in pairs:
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_kl_and_log_probs_of_one_pass_equal_a_dense_computation(work):
    adapter, reference, hidden, other, target = work
    _, log_p = dense_logprobs(adapter, hidden)
    _, log_r = dense_logprobs(reference, other)
    expected = (log_p.exp() * (log_p - log_r.detach())).sum(-1)
    logps, mine = logps_and_kl(adapter, hidden, target, reference, other)
    torch.testing.assert_close(logps, token_logps(adapter, hidden, target), rtol=0, atol=0)
    torch.testing.assert_close(mine.double(), expected, rtol=1e-5, atol=1e-6)
    assert (mine > 0).all()
    assert torch.autograd.grad(mine.sum(), reference.head.weight, retain_graph=True, allow_unused=True) == (None,)
    weights, leaves = torch.arange(13.0), (hidden, adapter.head.weight, adapter.head.bias)
    pairs = zip(gradients(mine, weights, *leaves), gradients(expected, weights, *leaves), strict=True)
    for found, wanted in pairs:
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_kl_of_a_model_with_itself_is_zero_with_zero_gradient(work):
    adapter, _, hidden, _, target = work
    _, kl = logps_and_kl(adapter, hidden, target, adapter, hidden.detach())
    assert torch.equal(kl, torch.zeros(13))
    (gradient,) = gradients(kl, torch.ones(13), hidden)
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize("rows_per_chunk", [1, 4, 12])
def test_chunks_change_neither_value_nor_gradient(work, monkeypatch, rows_per_chunk):
    adapter, reference, hidden, other, target = work
    leaves, weights = (hidden, adapter.head.weight, adapter.head.bias), torch.arange(13.0)

    def results():
        both = logps_and_kl(adapter, hidden, target, reference, other)
        values = token_logps(adapter, hidden, target), *both
        return [*values, *(g for value in values for g in gradients(value, weights, *leaves))]

    whole = results()
    sizes = []
    monkeypatch.setattr(head, "CHUNK_LOGITS", 11 * rows_per_chunk)
    linear = adapter.head
    monkeypatch.setattr(adapter, "logits", lambda h: sizes.append(len(h)) or linear(h))
    for found, wanted in zip(results(), whole, strict=True):
        torch.testing.assert_close(found, wanted)
    assert max(sizes) <= rows_per_chunk
    chunks = math.ceil(13 / rows_per_chunk)
    assert len(sizes) % chunks == 0 and len(set(sizes[:chunks])) <= 2


def test_placeholders_have_no_probability_and_no_gradient(work):
    adapter, _, hidden, _, _ = work
    logprobs = allowed_logprobs(adapter, hidden)
    assert (logprobs[:, 3].exp() == 0).all()
    torch.testing.assert_close(logprobs.exp().sum(-1), torch.ones(13))
    (gradient,) = torch.autograd.grad(logprobs[:, 4].sum(), adapter.head.weight)
    assert (gradient[3] == 0).all() and (gradient[5] != 0).all()
