import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.ranking.signal import auc, signal_strength


def slow_auc(scores, correct):
    pairs = [(x, y) for x, c in zip(scores, correct) for y, d in zip(scores, correct) if c and not d]
    return sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs) if pairs else math.nan


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), max_size=12))
def test_auc_counts_pairs(rows):
    scores, correct = [float(s) for s, _ in rows], [c for _, c in rows]
    mine = auc(np.array(scores), np.array(correct, dtype=bool))
    assert mine == pytest.approx(slow_auc(scores, correct), nan_ok=True)


def record(*candidates):
    return {"candidates": [{"copies": n, "correct": c, "r": r} for n, c, r in candidates]}


def test_signal_counts_copies_and_leaves_out_what_cannot_be_checked():
    records = [
        record((2, True, 0.0), (1, False, 1.0)),
        record((1, True, 2.0), (3, True, 3.0)),
        record((4, None, 9.0)),
    ]
    found = signal_strength(records)
    flat_r, flat_c = [0, 0, 1, 2, 3, 3, 3], [True, True, False, True, True, True, True]
    assert found["auc"] == 0.0
    assert found["auc_pooled"] == pytest.approx(slow_auc(flat_r, flat_c))
    assert found["candidate_accuracy"] == pytest.approx(6 / 7)
    assert -1 <= found["spearman"] <= 1


def test_nothing_to_check_is_none_everywhere():
    assert set(signal_strength([record((4, None, 0.0))]).values()) == {None}
