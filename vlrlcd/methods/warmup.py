"""Teaching the verdict in stage I, to students too small to judge: anchors are good, own answers may be either [ours].

The risk is that of `losses.pu_risk`. Which side of its max holds is found over the whole step before the gradient, so
that it adds up over passes and processes.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, copies
from vlrlcd.methods.rollout import sample_candidates
from vlrlcd.passes import packed, size_of
from vlrlcd.prefix_branches import pack
from vlrlcd.processes import ranks
from vlrlcd.ranking.rank import Ranker, score
from vlrlcd.ranking.scorers import SCORERS, JudgePrompt


def warm_up(engine: Engine, config: Config, ranker: Ranker, groups: list[Group], step: int) -> float:
    """Adds the gradient of `stage1.verdict_weight` times the risk; returns the risk. Collective.

    The step's last gradient comes after it.
    """
    sample_candidates(engine, config, groups, f"warm-up {step}", config.sampling.candidates)
    prior, weight_B = config.stage1.verdict_prior, torch.tensor([group.weight for group in groups])
    drawn_BK = copies(groups, torch.device("cpu")) * weight_B[:, None]
    current = replace(ranker, settings=replace(ranker.settings, evaluator="current"))
    unlabelled_BK, anchor_B = score(engine, current, groups, "verdict")
    anchors, drawn = ranks.summed(weight_B.sum().item()), ranks.summed(drawn_BK.sum().item())
    positive = ranks.summed((softplus(-anchor_B) * weight_B).sum().item()) / anchors
    as_negative = ranks.summed((softplus(anchor_B) * weight_B).sum().item()) / anchors
    negative = ranks.summed((softplus(unlabelled_BK) * drawn_BK).sum().item()) / drawn - prior * as_negative
    layout = SCORERS["verdict"].layout
    prompts = [layout(engine.adapter, ranker.templates, group) for group in groups]
    for part in packed([size_of(prompt.row.ids, prompt.branches) for prompt in prompts], ranker.limit):
        of = [(groups[i], prompts[i]) for i in part]
        z_G, positive_G, share_G = _verdicts(engine, of, anchors, drawn)
        loss = prior * (softplus(-z_G) * positive_G).sum()
        if negative > 0:
            loss = loss + (softplus(z_G) * (share_G - prior * positive_G)).sum()
        engine.backward(config.stage1.verdict_weight * loss, last=False)
    return prior * positive + max(0.0, negative)


def _verdicts(
    engine: Engine, part: list[tuple[Group, JudgePrompt]], anchors: float, drawn: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-odds of every branch with gradient, its share of the anchors and its share of the drawn answers, `[G]`."""
    batch = engine.adapter.collate([prompt.row for _, prompt in part])
    branches = pack([prompt.branches for _, prompt in part])
    z_G = SCORERS["verdict"].reading(engine.adapter)(engine.run("last_logprobs", batch, branches))
    rows = [
        ([0.0] * len(g.candidates) + [g.weight], [c.copies * g.weight for c in g.candidates] + [0.0]) for g, _ in part
    ]
    positive_G, drawn_G = (torch.tensor([x for row in rows for x in row[i]], device=z_G.device) for i in (0, 1))
    return z_G, positive_G / anchors, drawn_G / drawn
