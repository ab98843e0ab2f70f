"""Sharing the prefix changes nothing: log-probs, verdicts and gradients equal those of separate rows."""

import pytest
import torch

from model_adapters import ModelAdapter
from tests.conformance.cases import Case, ask, picture
from tests.conformance.stock import Stock, close
from vlrlcd.head import allowed_logprobs, token_logps
from vlrlcd.prefix_branches import pack, predicting_states


def shared_logps(adapter: ModelAdapter, cases: list[Case]) -> torch.Tensor:
    branches = pack([case.branches for case in cases])
    batch = adapter.collate([adapter.encode(case.messages) for case in cases])
    return token_logps(adapter, predicting_states(adapter, batch, branches), branches.target_N)


def separate_logps(stock: Stock, cases: list[Case], banned) -> torch.Tensor:
    return torch.cat([logps for case in cases for logps in stock.branch_logps(case, banned)])


@torch.no_grad()
def test_branches_equal_separate_rows(adapter, stock, cases):
    reference = separate_logps(stock, cases, adapter.placeholder_ids)
    assert reference.std() > 0.5, "the tiny model is too uniform for this test to mean anything"
    close(shared_logps(adapter, cases), reference)


@torch.no_grad()
@pytest.mark.usefixtures("sees")
def test_images_reach_the_answer(adapter, cases):
    seen = cases[1]
    (image,) = seen.images
    words = seen.messages[0]["content"][-1]["text"]
    other = Case(ask(words, picture(*image.size, seed=99)), seen.branches)
    assert (shared_logps(adapter, [other]) - shared_logps(adapter, [seen])).abs().max() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("row", range(3))
def test_a_row_alone_equals_itself_in_a_padded_batch(adapter, cases, row):
    before = sum(len(y) for case in cases[:row] for y in case.branches)
    alone = shared_logps(adapter, [cases[row]])
    close(alone, shared_logps(adapter, cases)[before : before + len(alone)])


@torch.no_grad()
def test_order_of_rows_and_branches_does_not_matter(adapter, cases):
    turned = [Case(case.messages, case.branches[::-1]) for case in cases[::-1]]
    pieces = shared_logps(adapter, turned).split([len(y) for case in turned for y in case.branches])
    close(torch.cat(pieces[::-1]), shared_logps(adapter, cases))


@torch.no_grad()
def test_an_impossible_placeholder_stays_impossible(adapter, cases):
    branches = pack([case.branches for case in cases])
    batch = adapter.collate([adapter.encode(case.messages) for case in cases])
    logprobs = allowed_logprobs(adapter, predicting_states(adapter, batch, branches))
    assert (logprobs[:, list(adapter.placeholder_ids)].exp() == 0).all()
    close(logprobs.exp().sum(-1), torch.ones(len(logprobs)))


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def test_gradients_equal_separate_rows(adapter, stock, cases):
    weights = torch.randn(sum(len(y) for case in cases for y in case.branches), generator=torch.manual_seed(0))
    (separate_logps(stock, cases, adapter.placeholder_ids) * weights).sum().backward()
    reference = gradients(stock.model)
    (shared_logps(adapter, cases) * weights).sum().backward()
    mine = gradients(adapter.model)
    assert mine.keys() == reference.keys()
    assert any(adapter.part_of(name) == "vision_tower" for name in mine) == adapter.sees_images
    largest = max(grad.abs().max() for grad in reference.values())
    for name, grad in reference.items():
        # relative to the parameter's own largest entry, with a floor for those whose gradient is zero in exact numbers
        close(mine[name], grad, 1e-4 * max(grad.abs().max(), 1e-3 * largest))


@pytest.mark.usefixtures("sees")
def test_a_batch_without_images_still_runs_the_tower(adapter, stock, cases):
    logps = shared_logps(adapter, cases[:1])
    close(logps.detach(), separate_logps(stock, cases[:1], adapter.placeholder_ids).detach())
    logps.sum().backward()
    grads = gradients(adapter.model)
    vision = [grad for name, grad in grads.items() if adapter.part_of(name) != "language_model"]
    assert vision and all((grad == 0).all() for grad in vision)
