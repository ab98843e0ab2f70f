"""The scorers' shared judge prompt against one full prompt per candidate."""

import io

import pytest
import torch

from tests.conformance.cases import Case, picture
from tests.conformance.stock import close
from vlrlcd.data.card import load_card
from vlrlcd.data.example import Example
from vlrlcd.data.images import decode
from vlrlcd.data.prompts import Templates
from vlrlcd.data.tasks import CHOICE
from vlrlcd.group import Candidate, Group
from vlrlcd.head import allowed_logprobs, token_logps
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.ranking.scorers import SCORERS, mean_logps

ANSWERS = ["It is red. Answer: red", "Answer: blue", "It is round", ""]
pytestmark = pytest.mark.check("verdicts")
YES = [" Yes", " yes", " YES", "Yes", "yes", "YES"]
NO = [" No", " no", " NO", "No", "no", "NO"]


@pytest.fixture(scope="module")
def templates():
    return Templates(load_card("aokvqa_mc"))


@pytest.fixture(scope="module")
def examples(adapter):
    def png(*size):
        picture(*size, seed=7).save(buffer := io.BytesIO(), "PNG")
        return buffer.getvalue()

    eyes = None if adapter.sees_images else 0
    return [
        Example("a", "test", (), "what colour is the ball?", ("red", "blue")),
        Example("b", "test", (png(60, 44),)[:eyes], "which colour?", ("red", "green", "blue")),
        Example("c", "test", (png(41, 80), png(50, 50))[:eyes], "where does it stand, and why?"),
    ]


def seen(messages):
    """The templates' messages with their images decoded, as the collator hands them to an adapter."""

    def part(p):
        return {**p, "image": decode(p["image"])} if p["type"] == "image" else p

    return [{**m, "content": [part(p) for p in m["content"]]} for m in messages]


def groups_for(adapter, templates, examples):
    groups = []
    for index, example in enumerate(examples):
        row = adapter.encode(seen(templates.render("student", example)))
        texts = ANSWERS[: len(ANSWERS) - index]
        candidates = [Candidate(adapter.encode_answer(t), t, 1, False, None, 0.0) for t in texts]
        anchor = "Answer: red"
        groups.append(Group(example, row, anchor, adapter.encode_answer(anchor), CHOICE, candidates))
    return groups


def judged(adapter, prompts):
    branches = pack([prompt.branches for prompt in prompts])
    return branches, predicting_states(adapter, adapter.collate([prompt.row for prompt in prompts]), branches)


@torch.no_grad()
def test_verdicts_equal_separate_prompts(adapter, stock, templates, examples):
    scorer, groups = SCORERS["verdict"], groups_for(adapter, templates, examples)
    branches, states = judged(adapter, [scorer.layout(adapter, templates, group) for group in groups])
    last_G = branches.lengths_G.cumsum(0) - 1
    mine = scorer.reading(adapter)(allowed_logprobs(adapter, states[last_G]))

    def single(words):
        ids = [stock.tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        return sorted({i[0] for i in ids if len(i) == 1})

    reference = []
    for group in groups:
        for text in [*(candidate.text for candidate in group.candidates), group.anchor]:
            messages = seen(templates.render("judge", group.example, anchor=group.anchor, candidate=text))
            case = Case(messages, [])
            logprobs = stock.logprobs(stock.inputs(case), (), adapter.placeholder_ids)[-1]
            reference.append(logprobs[single(YES)].exp().sum().log() - logprobs[single(NO)].exp().sum().log())
    reference = torch.stack(reference)
    assert reference.std() > 0.05, "candidates must move the verdict for this test to mean anything"
    close(mine, reference)


@torch.no_grad()
@pytest.mark.parametrize("name", ["likelihood", "own_likelihood"])
def test_likelihoods_equal_separate_rows(adapter, stock, templates, examples, name):
    groups = groups_for(adapter, templates, examples)
    branches, states = judged(adapter, [SCORERS[name].layout(adapter, templates, group) for group in groups])
    mine = mean_logps(token_logps(adapter, states, branches.target_N), branches)
    reference = []
    for group in groups:
        extra = {"reference": group.anchor} if name == "likelihood" else {}
        messages = seen(templates.render("student", group.example, **extra))
        answers = [*(candidate.tokens for candidate in group.candidates), group.anchor_tokens]
        reference += [logps.mean() for logps in stock.branch_logps(Case(messages, answers), adapter.placeholder_ids)]
    close(mine, torch.stack(reference))
