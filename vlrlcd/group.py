"""The group: one prompt with its images, its anchor and its candidates. It is never split or shuffled apart."""

from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model_adapters import PromptRow
from vlrlcd.data.example import Example
from vlrlcd.data.tasks import Check
from vlrlcd.prefix_branches import Tokens
from vlrlcd.reading import Read
from vlrlcd.sampling import Draw


@dataclass(frozen=True)
class Candidate:
    """A distinct answer of the student; `copies` counts how often it was drawn.

    An anchor that a method puts among them has no `sampled_logp`.
    """

    tokens: Tokens
    text: str
    copies: int
    truncated: bool
    correct: bool | None
    sampled_logp: float | None


@dataclass
class Group:
    """The row of every batch.

    Attributes:
        example: the question, undecoded.
        row: the student's prompt in tensors.
        anchor: the teacher's answer.
        anchor_tokens: the anchor as the student would have written it, end-of-answer token included.
        check: tells right from wrong; None where the task's answers cannot be checked.
        candidates: the K sampled answers, equal ones folded into one.
        weight: 1, or 0 for a group that only fills up a process's share of a step.
        descriptions: what the student is told of each image; empty where it sees them.
        read: what p_sft has read of the prompt while it ranked.
    """

    example: Example
    row: PromptRow
    anchor: str
    anchor_tokens: Tokens
    check: Check | None
    candidates: list[Candidate] = field(default_factory=list)
    weight: float = 1.0
    descriptions: list[str] = field(default_factory=list)
    read: Read | None = None

    def judge(self, text: str) -> bool | None:
        """Whether an answer is right; None where nobody can tell."""
        return self.check.right(self.example, text) if self.check else None


def fold(draws: list[Draw], decode, correct) -> list[Candidate]:
    """Distinct answers in order of first appearance, with how often each was drawn.

    Args:
        draws: the K samples of one prompt.
        decode: tokens to text.
        correct: text to True, False or None where it cannot be checked.
    """
    copies = Counter(draw.tokens for draw in draws)
    first = {draw.tokens: draw for draw in reversed(draws)}
    candidates = []
    for tokens in dict.fromkeys(draw.tokens for draw in draws):
        draw, text = first[tokens], decode(tokens)
        candidates.append(Candidate(tokens, text, copies[tokens], draw.truncated, correct(text), sum(draw.logps)))
    return candidates


def padded(values_G: Tensor, groups: list[Group], fill: float) -> Tensor:
    """Values of the candidates of all groups, `[G]`, as `[B, K]` with `fill` where a group has fewer."""
    rows = values_G.split([len(group.candidates) for group in groups])
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=fill)


def copies(groups: list[Group], device: torch.device) -> Tensor:
    """How often each candidate was drawn, `[B, K]`, 0 where there is none."""
    flat = torch.tensor([float(c.copies) for group in groups for c in group.candidates], device=device)
    return padded(flat, groups, 0.0)


def weights(groups: list[Group]) -> Tensor:
    """The weight of each group, `[B]` on the CPU."""
    return torch.tensor([group.weight for group in groups])
