"""A step of stage II: draw, rank, and the gradient of mean loss over rankable groups plus beta times the mean KL."""

import torch
from torch import Tensor

from vlrlcd import losses
from vlrlcd.clock import Clock
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, padded, passes, weights
from vlrlcd.methods.objectives import Answers, log_q
from vlrlcd.methods.rollout import look, sample_candidates
from vlrlcd.methods.step import Step
from vlrlcd.methods.table import METHODS
from vlrlcd.prefix_branches import Branches, pack
from vlrlcd.processes import ranks
from vlrlcd.ranking.distribution import Scale
from vlrlcd.ranking.probes import image_gain, order_bias
from vlrlcd.ranking.rank import Ranker, Ranking
from vlrlcd.records import Outcome, group_record, preference_figures


class Preference:
    """The steps of stage II of a method, each a rollout that is learned from once or several times.

    Attributes:
        ranking: of the last rollout.
    """

    def __init__(self, engine: Engine, config: Config, ranker: Ranker, scale: Scale, clock: Clock):
        self.engine, self.config, self.ranker, self.scale, self.clock = engine, config, ranker, scale, clock
        self.method = METHODS[config.stage2.method]
        self.ranking: Ranking | None = None
        # log-probs and values by pass, as they were when the rollout ended
        self._old: list[tuple[Tensor, Tensor]] = []
        self._probed: dict[str, float | None] = {}

    def draw(self, groups: list[Group], step: int) -> None:
        """Candidates of every group."""
        if self.engine.student.looks_once:
            with self.clock("look"):
                look(self.engine, self.config, groups)
        with self.clock("sample"):
            draws = self.method.supervision.draws(self.config.sampling)
            sample_candidates(self.engine, self.config, groups, step, draws)

    def rank(self, groups: list[Group], step: int) -> None:
        """The ranking of candidates that are there."""
        with self.clock("rank"):
            self.ranking = self.method.supervision.rank(self.engine, self.ranker, groups, self.scale, step)
            self._old = []
        self._probe(groups, step)

    def _probe(self, groups: list[Group], step: int) -> None:
        every, scorer = self.config.ranking.probe_every, self.method.supervision.scorer
        self._probed = {}
        if every and step % every == 0:
            with self.clock("probe"):
                self._probed["image_gain"] = image_gain(self.engine, self.ranker, groups)
                if scorer and scorer(self.config.ranking) == "verdict":
                    self._probed["order_bias"] = order_bias(self.engine, self.ranker, groups)

    def learn(self, groups: list[Group], step: int) -> Step:
        """Adds up the gradient of the rollout."""
        with self.clock("train"):
            supervision, rows = self.method.supervision, zip(groups, self._gradient(groups), strict=True)
            own = [
                group_record(group, self.ranking, b, done, step) for b, (group, done) in enumerate(rows) if group.weight
            ]
            records = ranks.collected(own)
        tokens = sum(candidate["tokens"] for record in records for candidate in record["candidates"])
        beta = self.config.stage2.beta if self.method.objective.keeps_close else 0.0
        judged = {"judged": sum(len(record["candidates"]) for record in records)} if supervision.judged else {}
        return Step(preference_figures(records, beta) | self._probed | judged, records, tokens)

    def _gradient(self, groups: list[Group]) -> list[Outcome]:
        engine, settings, objective = self.engine, self.config.stage2, self.method.objective
        weight_B = weights(groups)
        rankable = max(1, ranks.summed((weight_B * self.ranking.rankable_B).sum().item()))
        total, outcomes = ranks.summed(weight_B.sum().item()), []
        parts = passes(list(range(len(groups))), self.config.engine.prompts_per_pass)
        for index in parts:
            part = [groups[i] for i in index]
            answers, kl_N = self._pass(part, first=len(outcomes))
            own = _rows(self.ranking, index).to(engine.device)
            loss_B = objective.loss(settings, answers, own)
            kl_B = losses.group_mean(answers.means(kl_N), own.copies_BK)
            counts_B = weight_B[index].to(engine.device)
            loss = (loss_B * own.rankable_B * counts_B).sum() / rankable
            if objective.keeps_close:
                loss = loss + settings.beta * (kl_B * counts_B).sum() / total
            engine.backward(loss, last=index is parts[-1])
            gap_B = _logp_gap(part, answers)
            log_q_BK = log_q(settings, answers, own).detach().cpu()
            per_group = zip(loss_B.tolist(), kl_B.tolist(), gap_B.tolist(), log_q_BK, strict=True)
            outcomes += [Outcome(*values) for values in per_group]
        return outcomes

    def _pass(self, part: list[Group], first: int) -> tuple[Answers, Tensor]:
        """Some groups through the student and p_sft; `first` is the place of the first of them."""
        engine = self.engine
        batch = engine.adapter.collate([group.row for group in part])
        branches = pack([[c.tokens for c in group.candidates] for group in part])
        reference_NH, reference_N = engine.run("reference_states", batch, branches)
        logps_N, kl_N, values_N = engine.run("learned", batch, branches, reference_NH)
        number = first // self.config.engine.prompts_per_pass
        if number == len(self._old):
            self._old.append((logps_N.detach(), values_N.detach()))
        counts = [len(group.candidates) for group in part]
        old_N, old_values_N = self._old[number]
        branches = branches.to(engine.device)
        return Answers(branches, counts, logps_N, reference_N, old_N, values_N, old_values_N), kl_N


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
