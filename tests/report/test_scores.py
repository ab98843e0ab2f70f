"""The figures of eval.json keep their unit, their order and their interval, whatever their names."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.report.read import Run
from vlrlcd.report.scores import cell, scores
from vlrlcd.report.wording import COUNT, DIFFERENCE, FRACTION, METRICS, SCORE, SHARE, UNKNOWN

UNITS = (SHARE, DIFFERENCE, SCORE, FRACTION, COUNT, UNKNOWN)


def metric(value, half=0.02, n=100):
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def of(**stages):
    (found,) = scores(Run(None, {}, "", [], {"aokvqa_mc": {"val": stages}}, {}))
    return found


@pytest.mark.parametrize(
    ("unit", "value", "shown", "between"),
    [
        (SHARE, 0.746, "74.6 %", "72.6 to 76.6"),
        (DIFFERENCE, -0.012, "\N{MINUS SIGN}1.2", "\N{MINUS SIGN}3.2 to +0.8"),
        (SCORE, 24.13, "24.1", "24.1 to 24.1"),
        (FRACTION, 0.31, "0.310", "0.290 to 0.330"),
        (COUNT, 17.26, "17.3", "17.2 to 17.3"),
    ],
)
def test_a_figure_is_shown_in_its_unit(unit, value, shown, between):
    found = cell(unit, metric(value))
    assert (found.value, found.interval) == (shown, between)
    assert (found.at is None) == (unit in (DIFFERENCE, COUNT))


@given(st.sampled_from(UNITS), *[st.none() | st.floats() | st.integers()] * 3)
def test_a_track_never_leaves_its_scale(unit, value, low, high):
    found = cell(unit, {"value": value, "low": low, "high": high})
    if found is None:
        assert value is None or not math.isfinite(value)
        return
    assert found.at is None or 0 <= found.at <= 100
    assert found.left is None or 0 <= found.left <= found.left + found.width <= 100 + 1e-9


def test_every_metric_has_a_heading_and_a_control_stands_under_its_metric():
    names = [name for known in METRICS.values() for name in known]
    measured = {name: metric(0.5) for name in [*reversed(names), "accuracy_wrong_image", "accuracy_blank"]}
    bodies = dict(of(stage2={**measured, "own_figure": metric(3)}).bodies)
    assert list(bodies) == [*METRICS, "Other figures"]
    assert [line.title for line in bodies["Right answers"]] == [
        "Accuracy",
        "images blanked",
        "image of another question",
        "Gain from sight",
        "Accuracy by the string rule alone",
        "Always the most frequent answer",
        "Answers that name nothing",
    ]
    assert [line.title for line in bodies["Other figures"]] == ["Own figure"]
    assert sum(len(lines) for lines in bodies.values()) == len(names) + 3


def test_a_control_without_its_metric_says_of_what_it_is():
    ((_, (line,)),) = of(stage2={"rouge_l_blank": metric(0.2)}).bodies
    assert line.title == "ROUGE-L, images blanked" and not line.of


def test_stages_stand_in_the_order_of_a_run_and_a_missing_figure_leaves_its_cell_empty():
    found = of(judged={"win_rate": metric(0.6)}, stage2={"accuracy": metric(0.7)}, pretrained={"accuracy": metric(0.4)})
    assert found.stages == ["Pretrained", "After stage 2", "Judged"]
    (_, (accuracy,)), (_, (win_rate,)) = found.bodies
    assert [bool(one) for one in accuracy.cells] == [True, True, False]
    assert [bool(one) for one in win_rate.cells] == [False, False, True]


def test_a_card_says_how_far_the_last_stage_is_from_the_first():
    found = of(pretrained={"accuracy": metric(0.4), "rouge_l": metric(0.3)}, stage2={"accuracy": metric(0.65)})
    accuracy, rouge = found.cards
    assert (accuracy.title, accuracy.last.value, accuracy.change) == (
        "Accuracy",
        "65.0 %",
        "+25.0 points since pretrained",
    )
    assert [title for title, _ in accuracy.rows] == ["Pretrained", "After stage 2"]
    assert (rouge.last.value, rouge.change) == ("0.300", "")


def test_the_gain_from_sight_stands_on_the_accuracy_with_and_without_the_image():
    last = {"accuracy": metric(0.65), "gain_from_sight": metric(0.4), "accuracy_blank": metric(0.25)}
    _, gain = of(pretrained={"accuracy": metric(0.4)}, stage2=last).cards
    assert (gain.title, gain.last.value, gain.change) == (
        "Gain from sight",
        "+40.0",
        "points of accuracy, after stage 2",
    )
    assert [(title, shown.value) for title, shown in gain.rows] == [
        ("Own image", "65.0 %"),
        ("Blanked", "25.0 %"),
    ]


def test_without_choices_the_gain_from_sight_is_one_of_rouge():
    last = {"rouge_l": metric(0.31), "gain_from_sight": metric(0.04), "rouge_l_blank": metric(0.27)}
    found = of(stage2=last)
    gain = found.cards[0]
    assert (gain.last.value, gain.last.interval, gain.change) == (
        "+0.040",
        "+0.020 to +0.060",
        "of ROUGE-L, after stage 2",
    )
    assert [(title, shown.value) for title, shown in gain.rows] == [("Own image", "0.310"), ("Blanked", "0.270")]
    ((_, (line,)), _) = found.bodies
    assert line.title == "Gain from sight" and line.cells[0].value == "+0.040"


def test_a_second_student_and_an_evaluation_beside_the_run_have_columns_and_no_card():
    run = {"stage1": {"win_rate": metric(0.3)}, "stage2": {"win_rate": metric(0.4)}}
    beside = {stage: {"win_rate": metric(0.9)} for stage in ("judged", "other", "student")}
    found = of(**run, **beside)
    assert found.stages == ["After stage 1", "After stage 2", "Judged", "Another student", "Evaluated alone"]
    (card,) = found.cards
    assert (card.last.value, card.change) == ("40.0 %", "+10.0 points since after stage 1")
    assert [title for title, _ in card.rows] == ["After stage 1", "After stage 2"]


@pytest.mark.parametrize(
    ("stages", "headline"),
    [
        (("other", "student"), ["Evaluated alone"]),
        (("judged", "student"), ["Evaluated alone"]),
        (("judged", "other"), ["Judged"]),
        (("other",), []),
    ],
)
def test_without_a_run_a_lone_evaluation_is_what_the_folder_is_about(stages, headline):
    found = of(**{stage: {"win_rate": metric(0.4)} for stage in stages})
    assert [title for card in found.cards for title, _ in card.rows] == headline and len(found.stages) == len(stages)


def test_types_of_questions_have_their_own_table_the_most_frequent_first():
    measured = {"accuracy": metric(0.5), "accuracy/shape": metric(0.4, n=20), "accuracy/colour": metric(0.6, n=80)}
    found = of(stage2=measured)
    (types,) = found.types
    assert types.title == "Accuracy" and types.counts == [80, 20]
    assert [(line.title, line.cells[0].value) for line in types.lines] == [("colour", "60.0 %"), ("shape", "40.0 %")]
    assert [line.title for _, lines in found.bodies for line in lines] == ["Accuracy"] and found.questions == 100


def test_a_figure_without_an_interval_has_none():
    ((_, (line,)),) = of(stage2={"bleu": {"value": 12.0}}).bodies
    assert line.cells[0].value == "12.0" and line.cells[0].interval == "" and line.cells[0].left is None
