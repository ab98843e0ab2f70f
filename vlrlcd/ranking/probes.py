"""Probes: does the student look at the images, does a verdict depend on who is called the candidate?"""

from itertools import islice

import torch

from vlrlcd.data.encode import encode
from vlrlcd.engine import Engine
from vlrlcd.evaluation.controls import blank_images
from vlrlcd.group import Group
from vlrlcd.passes import in_order
from vlrlcd.prefix_branches import pack
from vlrlcd.processes import ranks
from vlrlcd.ranking.rank import Ranker, score


def image_gain(engine: Engine, ranker: Ranker, groups: list[Group]) -> float | None:
    """Mean log-prob per token of the drawn answers with their images, less that with blank ones; None without.

    Nats, over all processes; both under the student that drew them. 0 is a student that does not look.
    """
    if not ranks.any_of(any(group.example.images for group in groups)):
        return None
    gained, tokens = 0.0, 0.0
    for part in in_order(groups, ranker.limit.prompts):
        rows = [_blank_row(engine, ranker, group) for group in part]
        branches = pack([[candidate.tokens for candidate in group.candidates] for group in part])
        logps_N = engine.run("score_logps", engine.adapter.collate(rows), branches, False).cpu()
        blank = iter(branches.sum_per_branch(logps_N).tolist())
        for group in part:
            for candidate, without in zip(group.candidates, islice(blank, len(group.candidates)), strict=True):
                if candidate.sampled_logp is None:
                    continue
                counts = candidate.copies * group.weight * bool(group.example.images)
                gained += counts * (candidate.sampled_logp - without)
                tokens += counts * len(candidate.tokens)
    gained, tokens = ranks.summed(gained), ranks.summed(tokens)
    return gained / tokens if tokens else None


def order_bias(engine: Engine, ranker: Ranker, groups: list[Group]) -> float | None:
    """By how much a verdict leans towards whatever is called the candidate, in nats of log-odds.

    The mean of (g(x, a, y) + g(x, y, a)) / 2 over drawn answers that are not the anchor: 0 where the verdict turns
    round when the two change places [ours]. None where every answer is the anchor.
    """
    straight_BK, _ = score(engine, ranker, groups, "verdict")
    turned_BK, _ = score(engine, ranker, groups, "verdict_turned")
    other = [
        [group.weight * (c.tokens != group.anchor_tokens) * c.copies for c in group.candidates] for group in groups
    ]
    weight_BK = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in other], batch_first=True)
    total = ranks.summed(weight_BK.sum().item())
    leaning = ranks.summed((weight_BK * (straight_BK + turned_BK) / 2).sum().item())
    return leaning / total if total else None


def _blank_row(engine: Engine, ranker: Ranker, group: Group):
    templates, (example,) = blank_images(ranker.templates, [group.example], ranker.seed)
    return encode(engine.adapter, templates.render("student", example))
