"""Scorers g(x, a, y): how the student itself judges its candidates with the anchor in view.

A scorer lays out one judge prompt per group with a branch for every candidate and one for the anchor, and reads a score
off each branch. All groups of a batch are scored in one pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from model_adapters import ModelAdapter, PromptRow
from vlrlcd.data.prompts import Templates
from vlrlcd.errors import UserError
from vlrlcd.group import Group
from vlrlcd.prefix_branches import Branches, Tokens, common_prefix


@dataclass(frozen=True)
class JudgePrompt:
    """The judge's prefix, and its branches: one per candidate and, last, one for the anchor."""

    row: PromptRow
    branches: list[Tokens]


Layout = Callable[[ModelAdapter, Templates, Group], JudgePrompt]


@dataclass(frozen=True)
class Scorer:
    """Attributes:
    layout: (adapter, templates, group) to the judge's prompt.
    reading: adapter to what reads the score off the log-probs at a branch's last place, `[G, V]` to `[G]`, with the
        tokens that it reads bound as its one keyword; None: the score is the mean log-prob of the branch's own tokens.
    """

    layout: Layout
    reading: Callable[[ModelAdapter], partial] | None = None


def _likelihood(adapter: ModelAdapter, templates: Templates, group: Group) -> JudgePrompt:
    messages = templates.render("student", group.example, reference=group.anchor)
    row = replace(group.row, ids=adapter.encode_text(messages, group.row.image_ids))
    return JudgePrompt(row, [*(candidate.tokens for candidate in group.candidates), group.anchor_tokens])


def _own_likelihood(adapter: ModelAdapter, templates: Templates, group: Group) -> JudgePrompt:
    return JudgePrompt(group.row, [*(candidate.tokens for candidate in group.candidates), group.anchor_tokens])


def _asked(template: str, variables: Callable[[str, str], dict[str, str]]) -> Layout:
    """A question about every text, to be answered at the last place of its branch; `variables` of (text, anchor)."""

    def layout(adapter: ModelAdapter, templates: Templates, group: Group) -> JudgePrompt:
        texts = [*(candidate.text for candidate in group.candidates), group.anchor]
        prompts = [templates.render(template, group.example, **variables(text, group.anchor)) for text in texts]
        shared, rests = common_prefix([adapter.encode_text(prompt, group.row.image_ids) for prompt in prompts])
        if any(token in adapter.placeholder_ids for rest in rests for token in rest):
            raise UserError(
                f"the {template} template must place {{{{ images }}}} before {{{{ candidate }}}}: branches are text"
            )
        # the answer's place is the one that the appended token is predicted at
        return JudgePrompt(replace(group.row, ids=shared), [(*rest, adapter.stop_ids[0]) for rest in rests])

    return layout


def _beside_anchor(text: str, anchor: str) -> dict[str, str]:
    return {"candidate": text, "anchor": anchor}


def _turned(text: str, anchor: str) -> dict[str, str]:
    return {"candidate": anchor, "anchor": text}


def _alone(text: str, anchor: str) -> dict[str, str]:
    return {"candidate": text}


def yes_and_no(adapter: ModelAdapter) -> tuple[Tokens, Tokens]:
    """The single tokens that begin a Yes and a No in any case, with and without a blank before them.

    Raises:
        UserError: the vocabulary has no single token for one of the words.
    """

    def variants(word: str) -> Tokens:
        forms = (blank + form for blank in ("", " ") for form in (word.lower(), word.capitalize(), word.upper()))
        encoded = [adapter.tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms]
        return tuple(sorted({ids[0] for ids in encoded if len(ids) == 1}))

    found = variants("yes"), variants("no")
    if not all(found) or set(found[0]) & set(found[1]):
        raise UserError(
            "ranking.scorer=verdict: the student's vocabulary splits Yes or No into several tokens; "
            "use --ranking.scorer=likelihood."
        )
    return found


def grades(adapter: ModelAdapter) -> Tokens:
    """The tokens of the grades 0 to 9; ten would be two tokens in many vocabularies.

    Raises:
        UserError: the vocabulary has no token of its own for one of them.
    """
    found = [adapter.tokenizer(str(grade), add_special_tokens=False)["input_ids"][-1] for grade in range(10)]
    if len(set(found)) < 10:
        raise UserError(
            "ranking.scorer=rating: the student's vocabulary has no tokens of their own for the digits; "
            "use --ranking.scorer=likelihood."
        )
    return tuple(found)


def _yes_over_no(adapter: ModelAdapter) -> partial:
    return partial(verdicts, words=yes_and_no(adapter))


def _expected_grade(adapter: ModelAdapter) -> partial:
    return partial(ratings, digits=grades(adapter))


SCORERS = {
    "likelihood": Scorer(_likelihood),
    "verdict": Scorer(_asked("judge", _beside_anchor), _yes_over_no),
    "rating": Scorer(_asked("rate", _beside_anchor), _expected_grade),
    "own_likelihood": Scorer(_own_likelihood),
    "assessment": Scorer(_asked("assess", _alone), _yes_over_no),
    "verdict_turned": Scorer(_asked("judge", _turned), _yes_over_no),
}
"""The first three are choices of `ranking.scorer`; a control, self_ppo and the probe of order bias use the others."""


def mean_logps(logps_N: Tensor, branches: Branches) -> Tensor:
    """Mean token log-prob of each branch, `[N]` to `[G]`."""
    return branches.sum_per_branch(logps_N) / branches.lengths_G


def verdicts(logprobs_GV: Tensor, words: tuple[Tokens, Tokens]) -> Tensor:
    """log p(Yes) - log p(No) with the variants of each pooled, `[G, V]` to `[G]`."""
    yes_ids, no_ids = (torch.tensor(ids, device=logprobs_GV.device) for ids in words)
    return logprobs_GV[:, yes_ids].logsumexp(-1) - logprobs_GV[:, no_ids].logsumexp(-1)


def ratings(logprobs_GV: Tensor, digits: Tokens) -> Tensor:
    """The expected grade, 0 to 9, under the probabilities of the digits alone, `[G, V]` to `[G]` [ours]."""
    share_GD = logprobs_GV[:, torch.tensor(digits, device=logprobs_GV.device)].softmax(-1)
    return share_GD @ torch.arange(10.0, device=share_GD.device)
