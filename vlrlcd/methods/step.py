"""One optimiser step, and the cross-entropy of stage I."""

from dataclasses import dataclass

from vlrlcd import losses
from vlrlcd.clock import Clock
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, passes, weights
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
        parts, total = passes(groups, config.engine.prompts_per_pass), 0.0
        for part in parts:
            branches = pack([[group.anchor_tokens] for group in part])
            logps_N = engine.run("logps", engine.adapter.collate([group.row for group in part]), branches)
            weight_N = weights(part)[branches.row_N].to(logps_N.device)
            loss = losses.cross_entropy(logps_N * weight_N, tokens)
            engine.backward(loss, last=part is parts[-1])
            total += loss.item()
        return Step({"loss": ranks.summed(total)}, [], int(tokens))
