"""What the gradient of a method lowers: the loss of each group, from one pass over its candidates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vlrlcd import losses
from vlrlcd.config import Stage2Config
from vlrlcd.prefix_branches import Branches
from vlrlcd.ranking.rank import Ranking


@dataclass(frozen=True)
class Answers:
    """What a training pass found of the candidates of B groups; N tokens, all candidates in a row.

    Attributes:
        branches: their layout.
        counts: candidates of each group.
        logps_N: under the student, with gradient.
        reference_N: under p_sft.
        old_N: under the student that the rollout ended with.
        values_N: expected reward at each token, with gradient.
        old_values_N: as it was when the rollout ended.
    """

    branches: Branches
    counts: list[int]
    logps_N: Tensor
    reference_N: Tensor
    old_N: Tensor
    values_N: Tensor
    old_values_N: Tensor

    @cached_property
    def lengths_BK(self) -> Tensor:
        """Tokens of each candidate, 0 where there is none."""
        return self._by_group(self.branches.lengths_G.float())

    def sums(self, values_N: Tensor) -> Tensor:
        """Token sums of each candidate, `[B, K]`."""
        return self._by_group(self.branches.sum_per_branch(values_N))

    def means(self, values_N: Tensor) -> Tensor:
        """Token means of each candidate, `[B, K]`."""
        return self.sums(values_N) / self.lengths_BK.clamp(min=1)

    def by_token(self, values_BK: Tensor) -> Tensor:
        """The value of its candidate for every token, `[N]`."""
        values_G = torch.cat([row_K[:count] for row_K, count in zip(values_BK, self.counts, strict=True)])
        return values_G[self.branches.owner_N]

    def _by_group(self, values_G: Tensor) -> Tensor:
        rows = list(values_G.split(self.counts))
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0.0)


@dataclass(frozen=True)
class Objective:
    """Attributes:
    loss: (settings, answers, ranking) to the loss of each group, `[B]`.
    keeps_close: the loss is joined by beta times the KL to p_sft.
    values: a value head is trained beside the student.
    learns_d: it is D that is learned, and not the margins themselves.
    """

    loss: Callable[[Stage2Config, Answers, Ranking], Tensor]
    keeps_close: bool = True
    values: bool = False
    learns_d: bool = False


def log_q(settings: Stage2Config, answers: Answers, ranking: Ranking) -> Tensor:
    """The student's own distribution over the candidates of each group, `[B, K]` [ours]."""
    summed = (answers.sums(answers.logps_N), answers.sums(answers.reference_N))
    scores_BK = losses.candidate_scores(settings.q, *summed, answers.lengths_BK)
    return losses.log_q(scores_BK, ranking.copies_BK, settings.q_temperature)


def _ldl(settings: Stage2Config, answers: Answers, ranking: Ranking) -> Tensor:
    return losses.ldl(ranking.log_d_BK, log_q(settings, answers, ranking))


def _dpo(settings: Stage2Config, answers: Answers, ranking: Ranking) -> Tensor:
    scores_BK = answers.sums(answers.logps_N - answers.reference_N)
    return losses.dpo(scores_BK, ranking.r_BK, ranking.copies_BK, settings.dpo_beta)


def _grpo(settings: Stage2Config, answers: Answers, ranking: Ranking) -> Tensor:
    advantages_BK = losses.group_advantages(ranking.r_BK, ranking.copies_BK)
    token_N = losses.clipped(answers.logps_N, answers.old_N, answers.by_token(advantages_BK), settings.clip)
    return losses.group_mean(answers.means(token_N), ranking.copies_BK)


def _ppo(settings: Stage2Config, answers: Answers, ranking: Ranking) -> Tensor:
    lengths = answers.branches.lengths_G.tolist()
    rewards = answers.by_token(ranking.r_BK).split(lengths)
    advantages_N = torch.cat(
        [
            losses.gae(values_T, reward_T[-1].item(), settings.discount, settings.gae_lambda)
            for values_T, reward_T in zip(answers.old_values_N.split(lengths), rewards, strict=True)
        ]
    )
    policy_N = losses.clipped(answers.logps_N, answers.old_N, advantages_N, settings.clip)
    value_N = (answers.values_N - (advantages_N + answers.old_values_N)) ** 2
    token_N = policy_N + settings.value_weight * value_N
    return losses.group_mean(answers.means(token_N), ranking.copies_BK)


LDL, GRPO, DPO = Objective(_ldl, learns_d=True), Objective(_grpo), Objective(_dpo, keeps_close=False)
PPO = Objective(_ppo, values=True)
