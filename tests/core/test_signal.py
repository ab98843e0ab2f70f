import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data.example import Example
from vlrlcd.group import Candidate, Group
from vlrlcd.ranking.signal import auc, signal_strength


def slow_auc(scores, correct):
    pairs = [(x, y) for x, c in zip(scores, correct) for y, d in zip(scores, correct) if c and not d]
    return sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs) if pairs else math.nan


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), max_size=12))
def test_auc_counts_pairs(rows):
    scores, correct = [float(s) for s, _ in rows], [c for _, c in rows]
    mine = auc(np.array(scores), np.array(correct, dtype=bool))
    assert mine == pytest.approx(slow_auc(scores, correct), nan_ok=True)


def make_group(*candidates):
    example = Example("id", "test", (), "question?")
    return Group(
        example, None, "", (), True, [Candidate((i,), "", n, False, c, 0.0) for i, (n, c) in enumerate(candidates)]
    )


def test_signal_counts_copies_and_leaves_out_what_cannot_be_checked():
    groups = [
        make_group((2, True), (1, False)),
        make_group((1, True), (3, True)),
        make_group((4, None)),
    ]
    r = torch.tensor([[0.0, 1.0], [2.0, 3.0], [9.0, 0.0]])
    found = signal_strength(groups, r)
    flat_r, flat_c = [0, 0, 1, 2, 3, 3, 3], [True, True, False, True, True, True, True]
    assert found["auc"] == 0.0
    assert found["auc_pooled"] == pytest.approx(slow_auc(flat_r, flat_c))
    assert found["candidate_accuracy"] == pytest.approx(6 / 7)
    assert -1 <= found["spearman"] <= 1


def test_nothing_to_check_is_none_everywhere():
    assert set(signal_strength([make_group((4, None))], torch.zeros(1, 1)).values()) == {None}
