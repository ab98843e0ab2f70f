"""Each warning holds beyond its threshold, is silent at it, and says the figure."""

import pytest

from vlrlcd.judging import cautions
from vlrlcd.report.read import Run
from vlrlcd.report.warnings import LAST_STEPS, OF_EVALUATION, OF_TRAINING, warnings


def measured(**stages):
    return Run(None, {}, "", [], {"scenes": {"val": stages}}, {})


def trained(rows):
    return Run(None, {}, "", [{"stage": "stage2", **row} for row in rows], {}, {})


def metric(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "n": 100}


EVALUATION = {
    "truncated": (metric(0.051), metric(0.05), "5.1 % of the answers after stage 2 were cut off at the token limit"),
    "gain_from_sight": (
        metric(0.03, -0.01, 0.07),
        metric(0.03, 0.001, 0.059),
        "sight gains +3.0 points of accuracy after stage 2, interval \N{MINUS SIGN}1.0 to +7.0",
    ),
}
TRAINING = {
    "truncated_share": (0.06, 0.05, "6.0 % of the candidates of the last 20 steps were cut off"),
    "tied_share": (0.51, 0.5, "51.0 % of the groups of the last 20 steps were tied and taught nothing"),
    "kl": (0.51, 0.5, "the last 20 steps have a mean KL of 0.51 nats per token"),
}


def test_every_rule_is_tested():
    assert list(EVALUATION) == [name for name, _, _ in OF_EVALUATION]
    assert list(TRAINING) == [name for name, _, _ in OF_TRAINING]


@pytest.mark.parametrize("name", EVALUATION)
def test_a_figure_of_the_evaluation_beyond_its_threshold(name):
    beyond, at, sentence = EVALUATION[name]
    (found,) = warnings(measured(stage2={name: beyond}))
    assert found.startswith("scenes, val: ") and sentence in found
    assert warnings(measured(stage2={name: at})) == []


@pytest.mark.parametrize("name", TRAINING)
def test_a_figure_of_the_last_steps_beyond_its_threshold(name):
    beyond, at, sentence = TRAINING[name]
    early = [{"step": step, name: 0.0} for step in range(50)]
    late = [{"step": 50 + step, name: beyond} for step in range(LAST_STEPS)]
    (found,) = warnings(trained(early + late))
    assert sentence in found
    assert warnings(trained([{**row, name: at} for row in early + late])) == []
    assert warnings(trained(late + [{**row, "step": 90 + row["step"]} for row in early])) == []


def test_the_last_stage_that_measured_it_decides():
    bad, good = {"truncated": metric(0.9)}, {"truncated": metric(0.0)}
    assert warnings(measured(pretrained=bad, stage1=bad, stage2=good)) == []
    (found,) = warnings(measured(pretrained=good, stage1=bad, stage2={"accuracy": metric(0.5)}))
    assert "90.0 % of the answers after stage 1" in found


def test_what_is_beside_a_run_is_not_warned_of():
    bad = {"truncated": metric(0.9), "judge_consistency": metric(0.1)}
    stages = {stage: bad for stage in ("other", "judged", "student")}
    assert warnings(measured(stage2={"accuracy": metric(0.5)}, **stages)) == []
    assert len(warnings(measured(student=bad))) == 2


def test_the_page_says_of_the_judge_what_the_terminal_says():
    rates = {
        "judge_consistency": metric(0.52, 0.47, 0.57),
        "judge_first_position": metric(0.97, 0.96, 0.98),
        "judge_unparsable": metric(0.06, 0.05, 0.07),
        "win_rate_length_controlled": metric(None),
    }
    said = cautions.warnings(rates)
    assert len(said) == 4
    expected = [f"scenes, val: after stage 2, {words}." for words in said]
    assert warnings(measured(stage1={"judge_consistency": metric(0.0)}, stage2=rates)) == expected


def test_a_gain_in_rouge_is_said_in_rouge():
    (found,) = warnings(measured(stage2={"rouge_l": metric(0.3), "gain_from_sight": metric(0.01, -0.002, 0.022)}))
    assert "sight gains +0.010 of ROUGE-L after stage 2, interval \N{MINUS SIGN}0.002 to +0.022" in found


def test_a_gain_without_interval_is_its_own_interval():
    (found,) = warnings(measured(stage2={"gain_from_sight": {"value": 0.0}}))
    assert "interval +0.0 to +0.0" in found
    assert warnings(measured(stage2={"gain_from_sight": {"value": 0.01}})) == []


def test_a_step_done_again_counts_as_done_last():
    rows = [{"step": step, "kl": 9.0} for step in range(30)] + [{"step": step, "kl": 0.1} for step in range(5, 30)]
    assert warnings(trained(rows)) == []


def test_the_other_stage_and_what_was_not_measured_are_no_warning():
    rows = [{"stage": "stage1", "step": step, "kl": 9.0, "truncated_share": 1.0} for step in range(30)]
    assert warnings(Run(None, {}, "", rows, {}, {})) == []
    assert warnings(trained([{"step": 1, "kl": None, "tied_share": "x"}])) == []
    assert warnings(measured(stage2={"truncated": None, "gain_from_sight": 3})) == []
