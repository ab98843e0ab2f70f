"""The gradient of a rollout: mean loss over rankable groups plus beta times the mean KL, in as few passes as fit.

Where a group does not fit, the step is learned in two rounds: scores without gradient, dL/d(log-prob) from them, and
again some candidates at a time with that as their weight. It is the same gradient, for one more forward pass.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from model_adapters import PromptBatch
from vlrlcd import losses
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, padded, weights
from vlrlcd.methods.objectives import Answers, Objective, log_q
from vlrlcd.passes import PassLimit, Piece, packed, pieces
from vlrlcd.prefix_branches import Branches, branch_layout, pack
from vlrlcd.processes import ranks
from vlrlcd.ranking.rank import Ranking
from vlrlcd.reading import known
from vlrlcd.records import Outcome

Reference = tuple[Tensor, Tensor]
"""p_sft's hidden states `[N, H]` and log-probs `[N]`."""


class RolloutGradient:
    """What one rollout teaches, as often as it is learned from."""

    def __init__(self, engine: Engine, config: Config, objective: Objective, groups: list[Group], ranking: Ranking):
        self.engine, self.settings, self.objective = engine, config.stage2, objective
        self.groups, self.ranking, self.weight_B = groups, ranking, weights(groups)
        self.pieces = pieces(groups, limit := PassLimit.of(config.engine))
        parts = packed([piece.size for piece in self.pieces], limit)
        self.parts = [[self.pieces[i] for i in part] for part in parts]
        self.rankable = max(1, ranks.summed((self.weight_B * ranking.rankable_B).sum().item()))
        self.total = ranks.summed(self.weight_B.sum().item())
        self.split = ranks.any_of(len(self.pieces) > len(groups))
        # places of groups of which a pass goes under the tree mask
        self._dense: set[int] = set()
        # log-probs and values by loss, as they were when the rollout ended
        self._old: list[tuple[Tensor, Tensor]] = []

    def add(self) -> list[Outcome]:
        """Adds it to the engine's; what came of each group. Collective."""
        outcomes = self._in_two_rounds() if self.split else self._in_one_round()
        return [outcomes[place] for place in range(len(self.groups))]

    def _in_one_round(self) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        for number, part in enumerate(self.parts):
            branches, reference, found = self._pass(part)
            index = [piece.group for piece in part]
            loss, told = self._loss(index, branches, reference[1], found, number)
            self.engine.backward(loss, last=part is self.parts[-1])
            outcomes |= zip(index, told, strict=True)
        return outcomes

    def _in_two_rounds(self) -> dict[int, Outcome]:
        everything = list(range(len(self.groups)))
        branches = pack([[candidate.tokens for candidate in group.candidates] for group in self.groups])
        reference_N, *whole_N = torch.zeros(4, len(branches.target_N), device=self.engine.device)
        # a process that has fewer passes than others repeats its first, and leaves the gradient of that out
        rounds = [(part or self.parts[0], bool(part)) for part in self.parts]
        places = [self._places(part, branches) for part, _ in rounds]
        states = []
        with torch.no_grad():
            for (part, _), places_N in zip(rounds, places, strict=True):
                _, reference, found = self._pass(part)
                states.append(reference)
                for all_N, part_N in zip([reference_N, *whole_N], [reference[1], *found], strict=True):
                    all_N[places_N] = part_N
        leaves = [all_N.requires_grad_() for all_N in whole_N]
        loss, told = self._loss(everything, branches, reference_N, leaves, 0)
        pulls = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        for number, (part, counts) in enumerate(rounds):
            _, _, found = self._pass(part, states[number])
            pulled = sum((own_N * pull_N[places[number]]).sum() for own_N, pull_N in zip(found, pulls, strict=True))
            self.engine.backward(pulled * counts, last=number + 1 == len(rounds))
        return dict(zip(everything, told, strict=True))

    def _pass(
        self, part: list[Piece], reference: Reference | None = None
    ) -> tuple[Branches, Reference, Sequence[Tensor]]:
        """Pieces through p_sft, unless what it says is given, and through the student."""
        batch = self.engine.adapter.collate([self.groups[piece.group].row for piece in part])
        branches = pack([[c.tokens for c in self.groups[p.group].candidates[p.start : p.stop]] for p in part])
        reference = reference or self._asked(part, batch, branches)
        if not branch_layout(self.engine.adapter, batch, branches, fed=batch.ids_BP.shape[1]):
            self._dense.update(piece.group for piece in part)
        return branches, reference, self.engine.run("learned", batch, branches, reference[0])

    def _asked(self, part: list[Piece], batch: PromptBatch, branches: Branches) -> Reference:
        """What p_sft says of pieces, given what it has read of their prompts; that is let go with a group's last."""
        groups = [self.groups[piece.group] for piece in part]
        read = known(self.engine.adapter, [group.row for group in groups], [group.read for group in groups])
        for piece, group in zip(part, groups, strict=True):
            if piece.stop == len(group.candidates):
                group.read = None
        return self.engine.run("reference_states", batch, branches, read)

    def _places(self, part: list[Piece], whole: Branches) -> Tensor:
        """Where the tokens of pieces stand among those of all groups, `[N]`."""
        first = [0, *accumulate(len(group.candidates) for group in self.groups)]
        branches_G = torch.cat([torch.arange(p.start, p.stop) + first[p.group] for p in part])
        tokens_G = whole.lengths_G[branches_G]
        ends_G = whole.lengths_G.cumsum(0)[branches_G]
        runs = [torch.arange(end - length, end) for end, length in zip(ends_G.tolist(), tokens_G.tolist(), strict=True)]
        return torch.cat(runs).to(self.engine.device)

    def _loss(
        self, index: list[int], branches: Branches, reference_N: Tensor, found: Sequence[Tensor], number: int
    ) -> tuple[Tensor, list[Outcome]]:
        """The share of some groups in the loss, and what came of each.

        Args:
            index: their places.
            branches: of all their candidates.
            reference_N: p_sft's log-probs.
            found: log-probs under the student, KL to p_sft and expected reward, each `[N]`.
            number: of this among the losses of the rollout.
        """
        logps_N, kl_N, values_N = found
        if number == len(self._old):
            self._old.append((logps_N.detach(), values_N.detach()))
        groups = [self.groups[i] for i in index]
        branches = branches.to(self.engine.device)
        counts = [len(group.candidates) for group in groups]
        answers = Answers(branches, counts, logps_N, reference_N, self._old[number][0], values_N, self._old[number][1])
        own = _rows(self.ranking, index).to(self.engine.device)
        loss_B = self.objective.loss(self.settings, answers, own)
        kl_B = losses.group_mean(answers.means(kl_N), own.copies_BK)
        weight_B = self.weight_B[index].to(self.engine.device)
        loss = (loss_B * own.rankable_B * weight_B).sum() / self.rankable
        if self.objective.keeps_close:
            loss = loss + self.settings.beta * (kl_B * weight_B).sum() / self.total
        log_q_BK = log_q(self.settings, answers, own).detach().cpu()
        number_B = [sum(piece.group == i for piece in self.pieces) for i in index]
        dense_B = [i in self._dense for i in index]
        columns = (loss_B.tolist(), kl_B.tolist(), _logp_gap(groups, answers).tolist(), log_q_BK, number_B, dense_B)
        return loss, [Outcome(*values) for values in zip(*columns, strict=True)]


def _rows(ranking: Ranking, index: list[int]) -> Ranking:
    """The ranking of some groups, no wider than the widest of them."""
    width = int((ranking.copies_BK[index] > 0).sum(-1).max())
    cut = {name: t[index, :width] if t.dim() == 2 else t[index] for name, t in vars(ranking).items()}
    return Ranking(**cut)


def _logp_gap(groups: list[Group], answers: Answers) -> Tensor:
    """Largest difference per token between log-probs at sampling time and in the training pass, `[B]`."""
    branches: Branches = answers.branches
    drawn = [c.sampled_logp for group in groups for c in group.candidates]
    logps_G = branches.sum_per_branch(answers.logps_N.detach())
    # an anchor among the candidates was not sampled
    sampled_G = torch.tensor([float("nan") if logp is None else logp for logp in drawn], device=logps_G.device)
    gap_G = ((logps_G - sampled_G).abs() / branches.lengths_G).nan_to_num(0.0)
    return padded(gap_G, groups, 0.0).amax(-1)
