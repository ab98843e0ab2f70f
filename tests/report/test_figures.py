"""Axes and thinning hold for any numbers a run may log."""

from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.report.figures import MOST_POINTS, stage_curves
from vlrlcd.report.read import Run

LOGGED = st.lists(st.none() | st.floats() | st.integers(), min_size=1, max_size=30)


def curves_of(values, quantity="loss"):
    rows = [{"stage": "stage1", "step": step, quantity: value} for step, value in enumerate(values)]
    return stage_curves(Run(None, {}, "", rows, [], {}, {}))[0].curves


def drawn(curve):
    return [
        tuple(map(float, point.split(","))) for line in curve.lines for piece in line.pieces for point in piece.split()
    ]


@given(LOGGED)
def test_every_value_is_drawn_inside_its_axis(values):
    for curve in curves_of(values):
        heights = [height for height, _ in curve.ticks]
        assert 2 <= len(heights) <= 8
        assert heights == sorted(heights, reverse=True)
        assert all(heights[-1] - 0.1 <= y <= heights[0] + 0.1 for _, y in drawn(curve))


def test_ticks_are_round_and_enclose_the_values():
    (curve,) = curves_of([0.13, 0.87])
    assert [label for _, label in curve.ticks] == ["0", "0.5", "1"]


def test_a_constant_stands_between_zero_and_itself():
    assert [label for _, label in curves_of([0, 0])[0].ticks] == ["0", "0.5", "1"]
    assert [label for _, label in curves_of([3.0, 3.0])[0].ticks] == ["0", "1", "2", "3"]


def test_a_long_run_is_thinned_by_means():
    (curve,) = curves_of([step % 2 for step in range(10_000)])
    assert len(drawn(curve)) <= MOST_POINTS
    assert (curve.first_step, curve.last_step, curve.lines[0].last) == ("0", "9999", "1")


def test_a_quantity_never_measured_has_no_curve():
    assert curves_of([None, None]) == []


def test_text_is_no_curve():
    assert curves_of(["fast", "slow"], "mood") == []
