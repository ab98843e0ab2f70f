"""The methods of stage II. Each is a supervision and an objective; stage I, prompts and evaluation are the same."""

from dataclasses import dataclass

from vlrlcd.methods.objectives import DPO, GRPO, LDL, PPO, Objective
from vlrlcd.methods.supervision import ANCHOR_OVER_SAMPLE, JUDGE_VERDICT, MARGINS, OWN_VERDICT, Supervision


@dataclass(frozen=True)
class Method:
    """Attributes:
    supervision: which candidates are learned from, and how they are ranked; None: the anchors, as in stage I.
    objective: what the gradient lowers; None: their cross-entropy, as in stage I.
    """

    supervision: Supervision | None
    objective: Objective | None


METHODS: dict[str, Method | None] = {
    "sft": None,
    "sft_sft": Method(None, None),
    "single_pair_dpo": Method(ANCHOR_OVER_SAMPLE, DPO),
    "anchor_grpo": Method(MARGINS, GRPO),
    "self_ppo": Method(OWN_VERDICT, PPO),
    "anchorrank_dpo": Method(MARGINS, DPO),
    "ldl_grpo": Method(MARGINS, LDL),
    "teacher_judge_grpo": Method(JUDGE_VERDICT, GRPO),
}
"""The seven of the paper, and one contrast [the names: paper; teacher_judge_grpo: ours]. `sft` has no stage II."""
