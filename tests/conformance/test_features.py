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
