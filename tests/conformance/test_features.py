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
def test_features_in_the_place_of_pixels_change_nothing(adapter, cases, features):
    rows = [adapter.encode(case.messages) for case in cases]
    branches = pack([case.branches for case in cases])
    states = predicting_states(adapter, adapter.collate(rows), branches)
    seen = adapter.seen(rows, adapter.look(adapter.collate(rows)))
    runs = len(features)
    torch.testing.assert_close(predicting_states(adapter, adapter.collate(seen), branches), states)
    # the first row has no image, and in a batch of its own the tower would run for nobody's sake
    alone = pack([cases[0].branches])
    without_NH = predicting_states(adapter, adapter.collate(seen[:1]), alone)
    assert len(features) == runs
    torch.testing.assert_close(without_NH, states[: len(without_NH)], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_rows_without_images_are_looked_at_in_step_with_others(adapter, cases, features):
    rows = [adapter.encode(cases[0].messages)]
    assert [len(each) for each in adapter.look(adapter.collate(rows))][0] == 0 and len(features) == 1
