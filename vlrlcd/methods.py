"""What one optimiser step of each stage does. A method of stage II is a pair (supervision, loss)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vlrlcd import losses
from vlrlcd.clock import Clock
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, fold, padded, weights
from vlrlcd.prefix_branches import Branches, pack
from vlrlcd.processes import ranks
from vlrlcd.ranking.rank import Ranker, Ranking, rank
from vlrlcd.records import Outcome, group_record, preference_figures
from vlrlcd.sampling import SamplingSettings, uniforms


@dataclass(frozen=True)
class Scale:
    """tau and gamma of the label distribution, fixed for a run."""

    tau: float
    gamma: float


@dataclass
class Step:
    """What a step of all processes tells: figures for metrics.jsonl, lines for samples.jsonl, answer tokens learned."""

    figures: dict
    samples: list[dict]
    tokens: int


def passes(items: list, size: int) -> list[list]:
    """The items in runs of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def sft_step(engine: Engine, config: Config, groups: list[Group], clock: Clock) -> Step:
    """Gradient of the cross-entropy on the anchors [paper, stage I]."""
    with clock("train"):
        tokens = ranks.summed(sum(len(group.anchor_tokens) * group.weight for group in groups))
        parts, total = passes(groups, config.engine.prompts_per_pass), 0.0
        for part in parts:
            branches = pack([[group.anchor_tokens] for group in part])
            logps_N = engine.run("logps", engine.adapter.collate([group.row for group in part]), branches)
            weight_N = weights(part)[branches.row_N].to(logps_N.device)
            loss = losses.cross_entropy(logps_N * weight_N, tokens)
            engine.backward(loss, last=part is parts[-1])
            total += loss.item()
        return Step({"loss": ranks.summed(total)}, [], int(tokens))


def sample_candidates(engine: Engine, config: Config, groups: list[Group], step: int | str) -> None:
    """Fills `group.candidates` with the student's own answers."""
    wanted = config.sampling
    settings = SamplingSettings(wanted.candidates, wanted.max_new_tokens, wanted.temperature, wanted.top_p)
    with engine.rollout():
        for part in passes(groups, config.engine.prompts_per_pass):
            drawn = uniforms(config.run.seed, step, [group.example.id for group in part], settings)
            draws = engine.sample(engine.adapter.collate([group.row for group in part]), settings, drawn)
            for group, own in zip(part, draws, strict=True):
                group.candidates = fold(own, engine.adapter.chat.decode, group.judge)


def ldl_loss(config: Config, logps_BK: Tensor, reference_BK: Tensor, lengths_BK: Tensor, ranking: Ranking):
    """KL(D || q) of each group `[B]` and log q `[B, K]` [paper, LDL-GRPO]."""
    wanted, device = config.stage2, logps_BK.device
    scores_BK = losses.candidate_scores(wanted.q, logps_BK, reference_BK, lengths_BK)
    log_q_BK = losses.log_q(scores_BK, ranking.copies_BK.to(device), wanted.q_temperature)
    return losses.ldl(ranking.log_d_BK.to(device), log_q_BK), log_q_BK


@dataclass(frozen=True)
class Method:
    """Attributes:
    supervise: (engine, ranker, groups, tau, gamma, step) to a `Ranking`.
    loss: (config, logps_BK, reference_BK, lengths_BK, ranking) to the loss of each group and log q.
    """

    supervise: Callable[..., Ranking]
    loss: Callable[..., tuple[Tensor, Tensor]]


METHODS: dict[str, Method | None] = {"sft": None, "ldl_grpo": Method(rank, ldl_loss)}


def preference_step(
    engine: Engine, config: Config, ranker: Ranker, scale: Scale, groups: list[Group], step: int, clock: Clock
) -> Step:
    """Sample, rank, and the gradient of: mean loss over rankable groups + beta * mean KL over all groups."""
    with clock("sample"):
        sample_candidates(engine, config, groups, step)
    return learn_from_candidates(engine, config, ranker, scale, groups, step, clock)


def learn_from_candidates(
    engine: Engine, config: Config, ranker: Ranker, scale: Scale, groups: list[Group], step: int, clock: Clock
) -> Step:
    """What `preference_step` does once the candidates are there."""
    method = METHODS[config.stage2.method]
    with clock("rank"):
        ranking = method.supervise(engine, ranker, groups, scale.tau, scale.gamma, step)
    with clock("train"):
        outcomes = _learn(engine, config, method, groups, ranking)
        rows = zip(groups, outcomes, strict=True)
        own = [group_record(group, ranking, b, done, step) for b, (group, done) in enumerate(rows) if group.weight]
        records = ranks.collected(own)
    tokens = sum(candidate["tokens"] for record in records for candidate in record["candidates"])
    return Step(preference_figures(records, config.stage2.beta), records, tokens)


def _learn(engine: Engine, config: Config, method: Method, groups: list[Group], ranking: Ranking) -> list[Outcome]:
    weight_B = weights(groups)
    rankable = max(1, ranks.summed((weight_B * ranking.rankable_B).sum().item()))
    total, outcomes = ranks.summed(weight_B.sum().item()), []
    parts = passes(list(range(len(groups))), config.engine.prompts_per_pass)
    for index in parts:
        part = [groups[i] for i in index]
        batch = engine.adapter.collate([group.row for group in part])
        branches = pack([[c.tokens for c in group.candidates] for group in part])
        reference_NH, reference_N = engine.run("reference_states", batch, branches)
        logps_N, kl_N = engine.run("logps_and_kl", batch, branches, reference_NH)
        own = _rows(ranking, index)
        branches = branches.to(engine.device)
        logps_BK, reference_BK, kl_BK, lengths_BK = _per_candidate(branches, part, logps_N, reference_N, kl_N)
        loss_B, log_q_BK = method.loss(config, logps_BK, reference_BK, lengths_BK, own)
        kl_B = losses.group_mean(kl_BK / lengths_BK.clamp(min=1), own.copies_BK.to(kl_BK.device))
        counts_B = weight_B[index].to(loss_B.device)
        ldl = (loss_B * own.rankable_B.to(loss_B.device) * counts_B).sum() / rankable
        kl = (kl_B * counts_B).sum() / total
        engine.backward(ldl + config.stage2.beta * kl, last=index is parts[-1])
        gap_B = _logp_gap(part, branches, logps_N)
        per_group = zip(loss_B.tolist(), kl_B.tolist(), gap_B.tolist(), log_q_BK.detach().cpu(), strict=True)
        outcomes += [Outcome(*values) for values in per_group]
    return outcomes


def _rows(ranking: Ranking, index: list[int]) -> Ranking:
    """The ranking of some groups, no wider than the widest of them."""
    width = int((ranking.copies_BK[index] > 0).sum(-1).max())
    cut = {name: t[index, :width] if t.dim() == 2 else t[index] for name, t in vars(ranking).items()}
    return Ranking(**cut)


def _per_candidate(branches: Branches, groups: list[Group], *values_N: Tensor) -> list[Tensor]:
    """Token sums of each candidate `[B, K]` for every given `[N]`, and last the candidates' lengths `[B, K]`."""
    sums = [padded(branches.sum_per_branch(values), groups, 0.0) for values in values_N]
    return [*sums, padded(branches.lengths_G.float(), groups, 0.0)]


def _logp_gap(groups: list[Group], branches: Branches, logps_N: Tensor) -> Tensor:
    """Largest difference per token between log-probs at sampling time and in the training pass, `[B]`."""
    sampled_G = torch.tensor([c.sampled_logp for group in groups for c in group.candidates], device=logps_N.device)
    gap_G = (branches.sum_per_branch(logps_N.detach()) - sampled_G).abs() / branches.lengths_G
    return padded(gap_G, groups, 0.0).amax(-1)
