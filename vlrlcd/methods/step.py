"""One optimiser step, and the cross-entropy of stage I."""

from dataclasses import dataclass

from vlrlcd import losses
from vlrlcd.clock import Clock
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, weights
from vlrlcd.passes import PassLimit, packed, size_of
from vlrlcd.prefix_branches import pack
from vlrlcd.processes import ranks


@dataclass
class Step:
    """What a step of all processes tells: figures for metrics.jsonl, lines for samples.jsonl, answer tokens learned."""

    figures: dict
    samples: list[dict]
    tokens: int


def sft_step(engine: Engine, config: Config, groups: list[Group], clock: Clock) -> Step:
    """Gradient of the cross-entropy on the anchors [paper, stage I]."""
    with clock("train"):
        tokens = ranks.summed(sum(len(group.anchor_tokens) * group.weight for group in groups))
        sizes, total = [size_of(group.row.ids, [group.anchor_tokens]) for group in groups], 0.0
        parts = [[groups[i] for i in part] for part in packed(sizes, PassLimit.of(config.engine))]
        for part in parts:
            branches = pack([[group.anchor_tokens] for group in part])
            logps_N = engine.run("logps", engine.adapter.collate([group.row for group in part]), branches)
            weight_N = weights(part)[branches.row_N].to(logps_N.device)
            loss = losses.cross_entropy(logps_N * weight_N, tokens)
            engine.backward(loss, last=part is parts[-1])
            total += loss.item()
        return Step({"loss": ranks.summed(total)}, [], int(tokens))
