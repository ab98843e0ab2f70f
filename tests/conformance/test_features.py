"""Images go through the tower once per group, whatever K is."""

import pytest
import torch

from tests.conformance.cases import Case
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.sampling import SamplingSettings, sample, uniforms

pytestmark = [pytest.mark.check("features"), pytest.mark.usefixtures("sees")]


@pytest.fixture
def features(adapter, monkeypatch):
    """What the tower handed over, call by call."""
    calls, own = [], adapter.image_features

    def counted(images):
        calls.append(len((found := own(images))[0]))
        return found

    monkeypatch.setattr(adapter, "image_features", counted)
    return calls


@torch.no_grad()
def test_scoring_many_branches(adapter, cases, features):
    rows = [adapter.encode(case.messages) for case in cases]
    many = [Case(case.messages, case.branches * 3) for case in cases]
    predicting_states(adapter, adapter.collate(rows), pack([case.branches for case in many]))
    assert features == [sum(id_ in adapter.placeholder_ids for row in rows for id_ in row.ids)]


def test_sampling_many_answers(adapter, cases, features):
    settings = SamplingSettings(branches=5, max_new_tokens=4)
    rows = [adapter.encode(case.messages) for case in cases]
    sample(adapter, adapter.collate(rows), settings, uniforms(0, 0, ["a", "b", "c"], settings))
    assert features == [sum(id_ in adapter.placeholder_ids for row in rows for id_ in row.ids)]


@torch.no_grad()
@pytest.mark.parametrize("projected", [True, False])
def test_what_the_tower_found_in_the_place_of_pixels_changes_nothing(adapter, cases, features, projected):
    if not (projected or adapter.projectors):
        pytest.skip("the family does not come apart before its projector")
    rows = [adapter.encode(case.messages) for case in cases]
    branches = pack([case.branches for case in cases])
    states = predicting_states(adapter, adapter.collate(rows), branches)
    seen = adapter.seen(rows, adapter.look(adapter.collate(rows), projected))
    runs = len(features)
    torch.testing.assert_close(predicting_states(adapter, adapter.collate(seen), branches), states)
    assert len(features) == runs
    # the first row has no image, and in a batch of its own the tower would run for nobody's sake
    alone = pack([cases[0].branches])
    without_NH = predicting_states(adapter, adapter.collate(seen[:1]), alone)
    assert len(features) == runs
    torch.testing.assert_close(without_NH, states[: len(without_NH)], atol=1e-4, rtol=1e-4)
    # and in whatever order rows come together afterwards
    turned = predicting_states(adapter, adapter.collate(seen[::-1]), pack([case.branches for case in cases[::-1]]))
    in_order = turned.split([sum(map(len, case.branches)) for case in cases[::-1]])[::-1]
    torch.testing.assert_close(torch.cat(in_order), states)


def test_a_projector_learns_the_same_from_what_is_handed_to_it(adapter, cases):
    if not adapter.projectors:
        pytest.skip("the family does not come apart before its projector")
    rows, branches = [adapter.encode(case.messages) for case in cases], pack([case.branches for case in cases])
    with torch.no_grad():
        seen = adapter.seen(rows, adapter.look(adapter.collate(rows), projected=False))
    weights = [p for n, p in adapter.model.named_parameters() if adapter.part_of(n) == "projector"]
    before = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_()
        gradients = []
        for given in (rows, seen):
            hidden_NH = predicting_states(adapter, adapter.collate(given), branches)
            gradients.append(torch.autograd.grad(hidden_NH.square().sum(), weights))
    finally:
        for weight, wanted in zip(weights, before, strict=True):
            weight.requires_grad_(wanted)
    assert any(gradient.abs().max() > 0 for gradient in gradients[0])
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("projected", [True, False])
def test_batches_with_and_without_images_run_the_same_modules(adapter, cases, projected):
    """Under ZeRO-3 a process that ran others would wait for ever."""
    if not (projected or adapter.projectors):
        pytest.skip("the family does not come apart before its projector")
    rows, ran = [adapter.encode(case.messages) for case in cases], []
    seen = adapter.seen(rows, adapter.look(adapter.collate(rows), projected))
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in adapter.model.named_modules()
    ]
    sequences = []
    for given in (seen[1:], seen[:1]):
        ran.clear()
        adapter.embed(adapter.collate(given))
        sequences.append(list(ran))
    for hook in hooks:
        hook.remove()
    assert sequences[0] == sequences[1]
    assert any(adapter.part_of(name) == "projector" for name in sequences[0]) != projected


@torch.no_grad()
def test_rows_without_images_are_looked_at_in_step_with_others(adapter, cases, features):
    rows = [adapter.encode(cases[0].messages)]
    assert [len(each) for each in adapter.look(adapter.collate(rows)).values()][0] == 0 and len(features) == 1
