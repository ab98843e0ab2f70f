"""What goes through together: nothing is left out, and nothing is larger than it may be unless it cannot be smaller."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd import passes
from vlrlcd.passes import PassLimit, Size, packed, pieces

SIZES = st.lists(st.builds(Size, st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=20)
LIMITS = st.builds(PassLimit, st.integers(1, 8), st.sampled_from([0, 1, 50, 200, 1000]))


def padded(part):
    return len(part) * (max(size.prefix for size in part) + max(size.branches for size in part))


@given(SIZES, LIMITS)
def test_every_row_goes_once_and_within_the_limit(sizes, limit):
    parts = packed(sizes, limit)
    assert sorted(place for part in parts for place in part) == list(range(len(sizes)))
    for part in parts:
        assert 1 <= len(part) <= limit.prompts
        assert not limit.tokens or len(part) == 1 or padded([sizes[i] for i in part]) <= limit.tokens


@given(SIZES, LIMITS, st.integers(0, 30))
def test_all_processes_run_as_many(sizes, limit, more):
    alone = packed(sizes, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes.ranks, "largest", lambda own: own + more)
        parts = packed(sizes, limit)
    assert len(parts) == len(alone) + more
    assert sorted(place for part in parts for place in part) == list(range(len(sizes)))
    assert parts[0], "a process without a row in its first pass has nothing to repeat"


def group(prefix, lengths):
    answers = [SimpleNamespace(tokens=(7,) * length) for length in lengths]
    return SimpleNamespace(row=SimpleNamespace(ids=(1,) * prefix), candidates=answers)


GROUPS = st.lists(
    st.builds(group, st.integers(1, 40), st.lists(st.integers(1, 30), min_size=1, max_size=8)), min_size=1, max_size=6
)


@given(GROUPS, LIMITS)
def test_groups_fall_into_runs_of_candidates_that_fit(groups, limit):
    found = pieces(groups, limit)
    for place, one in enumerate(groups):
        own = [piece for piece in found if piece.group == place]
        assert [i for piece in own for i in range(piece.start, piece.stop)] == list(range(len(one.candidates)))
        whole = sum(piece.size.branches for piece in own) + len(one.row.ids)
        assert (len(own) == 1) or whole > limit.tokens > 0
        for piece in own:
            assert piece.stop - piece.start == 1 or not limit.tokens or piece.size.tokens <= limit.tokens
