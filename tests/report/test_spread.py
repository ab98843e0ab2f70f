"""A sample keeps order and ends, and what fits is spread over the whole."""

from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.report.spread import as_many_as_fit, evenly


@given(st.integers(0, 300), st.integers(0, 60))
def test_evenly_spaced_items_keep_order_ends_and_equal_gaps(count, wanted):
    chosen = evenly(range(count), wanted)
    assert len(chosen) == min(count, wanted) and chosen == sorted(set(chosen))
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        gaps = [after - before for before, after in zip(chosen, chosen[1:], strict=False)]
        assert max(gaps) - min(gaps) <= 1


@given(st.lists(st.integers(1, 50), max_size=80), st.integers(0, 2000))
def test_what_fits_stays_in_order_under_the_limit(sizes, most):
    places = range(len(sizes))
    kept = as_many_as_fit(places, lambda place: sizes[place], most)
    assert kept == sorted(set(kept)) and sum(sizes[place] for place in kept) <= most
    left = most - sum(sizes[place] for place in kept)
    assert all(sizes[place] > left for place in places if place not in kept)


@given(st.integers(2, 500), st.integers(2, 500))
def test_what_fits_of_equal_items_is_spread_over_the_whole(count, most):
    kept = as_many_as_fit(range(count), lambda _: 1, most)
    assert len(kept) == min(count, most) and kept[0] == 0
    gaps = [after - before for before, after in zip(kept, [*kept[1:], count], strict=True)]
    assert max(gaps) <= 4 * count / len(kept)
