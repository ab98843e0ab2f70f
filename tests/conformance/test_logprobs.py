"""Sharing the prefix changes nothing: log-probs, verdicts and gradients equal those of separate rows."""

import pytest
import torch
from PIL import Image

from model_adapters import ModelAdapter, branch_attention
from tests.conformance.cases import Case, ask, picture, weights_of
from tests.conformance.stock import Stock, close
from vlrlcd import prefix_branches
from vlrlcd.head import allowed_logprobs, token_logps
from vlrlcd.prefix_branches import pack, predicting_states


@pytest.fixture(params=["parts", "copies", "dense"])
def attention(request, monkeypatch):
    """Attention by the layout of the branches in every decoder layer, as a CPU or a GPU does it, or under the mask."""
    calls = []
    ways = {"parts": branch_attention.SplitAttention.apply, "copies": branch_attention._with_copies}
    way = ways.get(request.param)
    monkeypatch.setitem(branch_attention._WAYS, "cpu", lambda *states: calls.append(1) or way(*states))
    monkeypatch.setattr(prefix_branches, "costs_less", lambda *sizes: request.param in ways)
    yield
    assert bool(calls) == (request.param in ways)


def shared_logps(adapter: ModelAdapter, cases: list[Case]) -> torch.Tensor:
    branches = pack([case.branches for case in cases])
    batch = adapter.collate([adapter.encode(case.messages) for case in cases])
    return token_logps(adapter, predicting_states(adapter, batch, branches), branches.target_N)


def separate_logps(stock: Stock, cases: list[Case], banned) -> torch.Tensor:
    return torch.cat([logps for case in cases for logps in stock.branch_logps(case, banned)])


@pytest.mark.check("log-probs")
@pytest.mark.usefixtures("attention")
@torch.no_grad()
def test_branches_equal_separate_rows(adapter, stock, cases):
    reference = separate_logps(stock, cases, adapter.placeholder_ids)
    assert reference.std() > 0.5, "the tiny model is too uniform for this test to mean anything"
    close(shared_logps(adapter, cases), reference)


@pytest.mark.check("vision")
@pytest.mark.usefixtures("sees")
@pytest.mark.parametrize("look", ["blank", "other"])
@torch.no_grad()
def test_images_reach_the_answer(adapter, cases, look):
    seen = cases[1]
    (image,) = seen.images
    words = seen.messages[0]["content"][-1]["text"]
    shown = Image.new("RGB", image.size, (128, 128, 128)) if look == "blank" else picture(*image.size, seed=99)
    changed = Case(ask(words, shown), seen.branches)
    assert (shared_logps(adapter, [changed]) - shared_logps(adapter, [seen])).abs().max() > 1e-2


@pytest.mark.check("padding")
@pytest.mark.parametrize("row", range(3))
@torch.no_grad()
def test_a_row_alone_equals_itself_in_a_padded_batch(adapter, cases, row):
    before = sum(len(y) for case in cases[:row] for y in case.branches)
    alone = shared_logps(adapter, [cases[row]])
    close(alone, shared_logps(adapter, cases)[before : before + len(alone)])


@pytest.mark.check("log-probs")
@torch.no_grad()
def test_order_of_rows_and_branches_does_not_matter(adapter, cases):
    turned = [Case(case.messages, case.branches[::-1]) for case in cases[::-1]]
    pieces = shared_logps(adapter, turned).split([len(y) for case in turned for y in case.branches])
    close(torch.cat(pieces[::-1]), shared_logps(adapter, cases))


@pytest.mark.check("places")
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


def close_gradients(mine: dict[str, torch.Tensor], reference: dict[str, torch.Tensor]) -> None:
    """Relative to a parameter's own largest entry, with a floor for those whose gradient is zero in exact numbers."""
    largest = max(grad.abs().max() for grad in reference.values())
    assert mine.keys() == reference.keys()
    for name, grad in reference.items():
        close(mine[name], grad, 1e-4 * max(grad.abs().max(), 1e-3 * largest))


@pytest.mark.check("gradients")
@pytest.mark.usefixtures("attention")
def test_gradients_equal_separate_rows(adapter, stock, cases):
    weights = torch.cat([weights_of(cases, row) for row in range(len(cases))])
    (separate_logps(stock, cases, adapter.placeholder_ids) * weights).sum().backward()
    reference = gradients(stock.model)
    (shared_logps(adapter, cases) * weights).sum().backward()
    mine = gradients(adapter.model)
    close_gradients(mine, reference)
    assert {adapter.part_of(name) for name in mine} == {*adapter.modules, "language_model"}


@pytest.mark.check("gradients")
def test_rows_in_passes_of_their_own_add_up_to_one_pass(adapter, cases):
    """Rows without an image, with one and with two, as accumulation runs them one after the other."""
    weights = [weights_of(cases, row) for row in range(len(cases))]
    for case, weight in zip(cases, weights, strict=True):
        (shared_logps(adapter, [case]) * weight).sum().backward()
    apart = gradients(adapter.model)
    (shared_logps(adapter, cases) * torch.cat(weights)).sum().backward()
    close_gradients(apart, gradients(adapter.model))


@pytest.mark.check("vision")
@pytest.mark.usefixtures("sees")
def test_a_batch_without_images_still_runs_the_tower(adapter, stock, cases):
    logps = shared_logps(adapter, cases[:1])
    close(logps.detach(), separate_logps(stock, cases[:1], adapter.placeholder_ids).detach())
    logps.sum().backward()
    grads = gradients(adapter.model)
    vision = [grad for name, grad in grads.items() if adapter.part_of(name) != "language_model"]
    assert vision and all((grad == 0).all() for grad in vision)
