"""DPO and GRPO equal TRL's on the same log-probs; GAE, PU risk and the clip equal what their papers write."""

import math
from unittest.mock import MagicMock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trl import DPOTrainer, GRPOTrainer

from vlrlcd import losses

LENGTHS, B, K, T = (5, 2, 7, 1, 4, 3), 2, 3, 7


def token_logps(seed):
    """Log-probs `[B * K, T]` with a mask, and a second set of them."""
    generator = torch.Generator().manual_seed(seed)
    logps, others = (-torch.rand(B * K, T, generator=generator) for _ in range(2))
    mask = (torch.arange(T) < torch.tensor(LENGTHS)[:, None]).int()
    return logps, others, mask


def trl_grpo(logps, old, advantages, mask, epsilon=0.2):
    """TRL's loss_type="grpo" with the log-probs given."""
    trainer = MagicMock()
    trainer.configure_mock(
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=0.0,
        loss_type="grpo",
        epsilon_low=epsilon,
        epsilon_high=epsilon,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1,
    )
    trainer.args.delta = None
    trainer.accelerator.gather = lambda tensor: tensor
    trainer._get_per_token_logps_and_entropies.return_value = (logps, torch.zeros_like(logps), None)
    ids = torch.zeros_like(mask)
    inputs = {"prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids, "completion_mask": mask}
    return GRPOTrainer._compute_loss(trainer, None, {**inputs, "advantages": advantages, "old_per_token_logps": old})


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_grpo_is_trl_s(drift):
    """Gradients too; at drift 0.5 some ratios are clipped, as at a second update of one rollout."""
    logps, noise, mask = token_logps(0)
    old = logps + drift * (noise + 0.5)
    r = torch.tensor([[0.3, -1.2, 0.8], [2.0, 2.0, -0.5]])
    advantages = losses.group_advantages(r, torch.ones(B, K))
    theirs_logps, ours_logps = logps.clone().requires_grad_(), logps.clone().requires_grad_()
    theirs = trl_grpo(theirs_logps, old, advantages.flatten(), mask)

    token = losses.clipped(ours_logps, old, advantages.flatten()[:, None].expand(-1, T), 0.2)
    mean_BK = ((token * mask).sum(-1) / mask.sum(-1)).view(B, K)
    ours = losses.group_mean(mean_BK, torch.ones(B, K)).mean()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    grads = torch.autograd.grad(ours, ours_logps)[0], torch.autograd.grad(theirs, theirs_logps)[0]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-7)
    if drift:
        ratio = (logps - old).exp()
        assert ((ratio < 0.8) | (ratio > 1.2))[mask.bool()].any()


def test_advantages_are_trl_s_with_copies_folded():
    """TRL divides by the unbiased deviation plus 1e-4; a folded answer counts as often as it was drawn."""
    r = torch.tensor([[1.0, 1.0, 1.0, -0.5]])
    expected = (r - r.mean()) / (r.std() + 1e-4)
    folded = losses.group_advantages(torch.tensor([[1.0, -0.5, 9.0]]), torch.tensor([[3.0, 1.0, 0.0]]))
    torch.testing.assert_close(folded[0, :2], expected[0, 2:])
    assert folded[0, 2] == 0
    assert losses.group_advantages(torch.tensor([[4.0]]), torch.ones(1, 1)).item() == 0


def test_rounding_is_no_advantage():
    nearly = torch.full((1, 8), 0.7)
    nearly[0, 3] = nearly[0, 3].nextafter(torch.tensor(1.0))
    assert 0 < losses.group_advantages(nearly, torch.ones(1, 8)).abs().max() < 1e-2


def trl_dpo(chosen, rejected, reference_chosen, reference_rejected):
    """TRL's loss_type="sigmoid" (reverse KL, beta 0.1) of one pair, summed log-probs given."""
    trainer = MagicMock()
    trainer.configure_mock(
        ld_alpha=None,
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid"],
        loss_weights=[1.0],
        beta=0.1,
        use_weighting=False,
    )
    trainer.model.training = False
    trainer.accelerator.gather_for_metrics = lambda tensor: tensor
    # what TRL logs besides
    rest = dict.fromkeys(("entropy", "mean_logits", "is_top1"), torch.zeros(2, 1, dtype=torch.bool))
    given = MagicMock(log_probs=torch.stack([chosen, rejected])[:, None], **rest)
    inputs = {"input_ids": torch.ones(2, 2, dtype=torch.long), "completion_mask": torch.ones(2, 2)}
    references = {"ref_chosen_logps": reference_chosen[None], "ref_rejected_logps": reference_rejected[None]}
    return DPOTrainer._compute_loss(trainer, lambda **_: given, {**inputs, **references}, False)


def test_dpo_is_trl_s():
    logps, others, mask = token_logps(1)
    logps_BK, reference_BK = ((x * mask).sum(-1).view(B, K) for x in (logps, others))
    r = torch.tensor([[1.0, 0.0, -1.0], [0.0, 3.0, 0.0]])
    theirs = []
    for own, reference, margins in zip(logps_BK, reference_BK, r, strict=True):
        pairs = [(i, j) for i in range(K) for j in range(K) if margins[i] > margins[j]]
        theirs.append(torch.stack([trl_dpo(own[i], own[j], reference[i], reference[j]) for i, j in pairs]).mean())
    ours = losses.dpo(logps_BK - reference_BK, r, torch.ones(B, K), 0.1)
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=0, atol=1e-6)


def test_dpo_counts_a_pair_as_often_as_it_was_drawn_and_no_pair_as_nothing():
    scores, r = torch.tensor([[0.3, 0.3, 0.9, 2.0]]), torch.tensor([[1.0, 1.0, 0.0, -1.0]])
    whole = losses.dpo(scores, r, torch.ones(1, 4), 0.1)
    folded = losses.dpo(scores[:, 1:], r[:, 1:], torch.tensor([[2.0, 1.0, 1.0]]), 0.1)
    torch.testing.assert_close(folded, whole)
    assert losses.dpo(scores, torch.zeros(1, 4), torch.ones(1, 4), 0.1).item() == 0
    absent = losses.dpo(torch.tensor([[0.3, 9.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 0.0]]), 0.1)
    assert absent.item() == 0


def test_gae_by_hand():
    """gamma 1, lambda 0.95, reward 2 after values 0.5, 1, -0.5: deltas 0.5, -1.5, 2.5."""
    found = losses.gae(torch.tensor([0.5, 1.0, -0.5]), reward=2.0, gamma=1.0, lam=0.95)
    last = 2.5
    middle = -1.5 + 0.95 * last
    assert found.tolist() == pytest.approx([0.5 + 0.95 * middle, middle, last])


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8), st.floats(-3, 3))
def test_gae_with_lambda_1_is_the_return_less_the_value(values, reward):
    values = torch.tensor(values)
    found = losses.gae(values, reward, gamma=1.0, lam=1.0)
    torch.testing.assert_close(found, reward - values, rtol=0, atol=1e-5)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=6),
    st.lists(st.floats(-5, 5), min_size=1, max_size=6),
    st.floats(0.05, 0.95),
)
def test_pu_risk_is_its_definition(positive, unlabelled, prior):
    def mean(values, sign):
        return sum(math.log1p(math.exp(-sign * z)) for z in values) / len(values)

    expected = prior * mean(positive, 1) + max(0.0, mean(unlabelled, -1) - prior * mean(positive, -1))
    found = losses.pu_risk(torch.tensor(positive), torch.tensor(unlabelled), prior)
    assert found.item() == pytest.approx(expected, abs=1e-5)
