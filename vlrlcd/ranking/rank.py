"""Candidates to margins to the label distribution, with the controls of the method in the signal's place."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vlrlcd.config import RankingConfig
from vlrlcd.data.prompts import Templates
from vlrlcd.draws import generator
from vlrlcd.engine import Engine
from vlrlcd.group import Group, copies, padded
from vlrlcd.judging.judges import Judge
from vlrlcd.passes import PassLimit, packed, size_of
from vlrlcd.prefix_branches import pack
from vlrlcd.ranking.distribution import Scale, label_distribution, tied
from vlrlcd.ranking.scorers import SCORERS, mean_logps
from vlrlcd.reading import KEPT_BYTES, Keeping


@dataclass(frozen=True)
class Ranker:
    """Everything that a ranking depends on besides the groups and the scale.

    Attributes:
        judge: where a method asks one.
        keeps: groups keep what p_sft reads of their prompts.
    """

    templates: Templates
    settings: RankingConfig
    seed: int
    limit: PassLimit
    judge: Judge | None = None
    keeps: bool = False


@dataclass(frozen=True)
class Ranking:
    """Scores of a batch of groups, `[B, K]` with copies 0 where a group has fewer candidates.

    Attributes:
        g_BK, anchor_B: scores of the candidates and of the anchor.
        r_BK: margins g - anchor, or what a control put in their place.
        log_d_BK: log label distribution, float64.
        rankable_B: False where all r are equal and the LDL term has weight 0.
        copies_BK: how often each candidate was drawn.
    """

    g_BK: Tensor
    anchor_B: Tensor
    r_BK: Tensor
    log_d_BK: Tensor
    rankable_B: Tensor
    copies_BK: Tensor

    def to(self, device: torch.device) -> "Ranking":
        return Ranking(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def margins(engine: Engine, ranker: Ranker, groups: list[Group]) -> tuple[Tensor, Tensor, Tensor]:
    """(g_BK, anchor_B, r_BK), float32 on the CPU; the control decides what stands for r."""
    scores = MARGINS.get(ranker.settings.control, _scored)
    return scores(engine, ranker, groups)


def rank(engine: Engine, ranker: Ranker, groups: list[Group], scale: Scale, step: int) -> Ranking:
    """The label distribution of every group, or what a control puts in its place."""
    ranking = ranked(groups, *margins(engine, ranker, groups), scale)
    if ranker.settings.control == "d_permuted":
        return replace(ranking, log_d_BK=_permuted(ranking.log_d_BK, groups, ranker.seed, step))
    if ranker.settings.control == "d_uniform":
        uniform_BK = ranking.copies_BK.double().log().log_softmax(-1)
        return replace(ranking, log_d_BK=uniform_BK, rankable_B=torch.ones_like(ranking.rankable_B))
    return ranking


def ranked(groups: list[Group], g_BK: Tensor, anchor_B: Tensor, r_BK: Tensor, scale: Scale) -> Ranking:
    """The ranking that margins lead to; a group whose margins are all equal is not rankable."""
    copies_BK = copies(groups, torch.device("cpu"))
    log_d_BK = label_distribution(r_BK, copies_BK, scale.tau, scale.gamma)
    return Ranking(g_BK, anchor_B, r_BK, log_d_BK, ~tied(r_BK, copies_BK), copies_BK)


def _scored(engine: Engine, ranker: Ranker, groups: list[Group]) -> tuple[Tensor, Tensor, Tensor]:
    g_BK, anchor_B = score(engine, ranker, groups, ranker.settings.scorer)
    return g_BK, anchor_B, g_BK - anchor_B[:, None]


def _no_anchor(engine: Engine, ranker: Ranker, groups: list[Group]) -> tuple[Tensor, Tensor, Tensor]:
    g_BK, anchor_B = score(engine, ranker, groups, "own_likelihood")
    return g_BK, anchor_B, g_BK


def _oracle(engine: Engine, ranker: Ranker, groups: list[Group]) -> tuple[Tensor, Tensor, Tensor]:
    flat = torch.tensor([float(bool(c.correct)) for group in groups for c in group.candidates])
    g_BK = padded(flat, groups, 0.0)
    anchor_B = torch.ones(len(groups))
    return g_BK, anchor_B, g_BK - anchor_B[:, None]


MARGINS: dict[str, Callable[[Engine, Ranker, list[Group]], tuple[Tensor, Tensor, Tensor]]] = {
    "no_anchor": _no_anchor,
    "oracle": _oracle,
}


def score(engine: Engine, ranker: Ranker, groups: list[Group], scorer_name: str) -> tuple[Tensor, Tensor]:
    """Scores of the candidates `[B, K]` and of the anchor `[B]`, float32 on the CPU."""
    scorer, adapter = SCORERS[scorer_name], engine.adapter
    frozen = ranker.settings.evaluator == "frozen"
    prompts = [scorer.layout(adapter, ranker.templates, group) for group in groups]
    per_branch: list[Tensor] = [torch.empty(0)] * len(groups)
    room = KEPT_BYTES if frozen and ranker.keeps else 0
    for part in packed([size_of(prompt.row.ids, prompt.branches) for prompt in prompts], ranker.limit):
        batch = adapter.collate([prompts[i].row for i in part])
        branches = pack([prompts[i].branches for i in part])
        keeping = Keeping.of(adapter, batch, [(prompts[i].row, groups[i].row) for i in part]) if room > 0 else None
        given = batch, branches, frozen, keeping
        if scorer.reading is None:
            scores_G = mean_logps(engine.run("score_logps", *given).cpu(), branches)
        else:
            scores_G = scorer.reading(adapter)(engine.run("score_last", *given)).cpu()
        for i, own in zip(part, scores_G.split([len(prompts[i].branches) for i in part]), strict=True):
            per_branch[i] = own
        if keeping is not None:
            room -= keeping.bytes
            for i, read in zip(part, keeping.reads, strict=True):
                groups[i].read = read
    g_G = torch.cat([scores[:-1] for scores in per_branch])
    return padded(g_G, groups, 0.0), torch.stack([scores[-1] for scores in per_branch])


def _permuted(log_d_BK: Tensor, groups: list[Group], seed: int, step: int) -> Tensor:
    """D permuted over the K draws: a candidate drawn twice receives the shares of two of them."""
    shuffled = log_d_BK.clone()
    for b, group in enumerate(groups):
        drawn_C = torch.tensor([candidate.copies for candidate in group.candidates])
        share_K = (log_d_BK[b, : len(drawn_C)].exp() / drawn_C).repeat_interleave(drawn_C)
        order = generator(seed, "d_permuted", step, group.example.id).permutation(len(share_K))
        parts = share_K[torch.from_numpy(order)].split(drawn_C.tolist())
        shuffled[b, : len(drawn_C)] = torch.stack([part.sum() for part in parts]).log()
    return shuffled
