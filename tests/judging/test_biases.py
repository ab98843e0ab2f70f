"""Biases planted into a judge behind HTTP are found, and taken out of the win rate."""

import random

import pytest
from scipy.special import expit

from tests.anchors.teacher import example
from tests.servers.stub_judge import StubJudge, chance
from vlrlcd.anchors.budget import Limits
from vlrlcd.judging.cautions import warnings
from vlrlcd.judging.contest import WHOLE, Contest, Side, results
from vlrlcd.judging.pairs import Pair, References

COUNT, RESAMPLES = 400, 400


def pairs(longer=0, seed=0):
    """The student is right in half of them; how long an answer is has nothing to do with it."""
    rng, found = random.Random(seed), []
    for number in range(COUNT):
        right, wrong = "Right", "Wrong"
        mine, theirs = (right, wrong) if number % 2 else (wrong, right)
        lengths = [rng.randrange(40, 200) + longer, rng.randrange(40, 200)]
        texts = [
            f"{name} {who} {'x' * length}"
            for name, who, length in zip((mine, theirs), ("m", "t"), lengths, strict=True)
        ]
        found.append(Pair(example(f"id{number}", f"question {number}", images=()), *texts))
    return found


def judged(asking, opinion, of):
    contest = Contest([Side("stage2", "file", {WHOLE: of})], References("them", []))
    with asking(StubJudge(opinion), concurrency=16) as judge:
        assert judge.ask(contest.games, Limits()).answered == 2 * COUNT
        (result,) = results(contest, judge, RESAMPLES, 0)
    return result


def honest(question, first, second):
    return "[[A]]" if first.startswith("Right") else "[[B]]"


def holds(metric, value):
    return metric["low"] <= value <= metric["high"]


def test_an_honest_judge(asking):
    found = judged(asking, honest, pairs()).metrics
    assert found["win_rate"]["value"] == 0.5 and found["judge_consistency"]["value"] == 1.0
    assert found["judge_first_position"]["value"] == 0.5 and not warnings(found)


def test_a_bias_towards_the_first_is_found_and_cancelled(asking):
    """In four games of ten it answers A whatever it is shown."""

    def biased(question, first, second):
        return "[[A]]" if chance(question, first, second) < 0.4 else honest(question, first, second)

    found = judged(asking, biased, pairs())
    one_order = sum(one.won[0] for one in found.judged[WHOLE]) / COUNT
    assert one_order > 0.65
    assert holds(found.metrics["win_rate"], 0.5) and abs(found.metrics["win_rate"]["value"] - 0.5) < 0.04
    assert found.metrics["judge_first_position"]["low"] > 0.6
    assert found.metrics["judge_consistency"]["value"] == pytest.approx(0.6, abs=0.08)
    assert "prefers the answer shown first" in " ".join(warnings(found.metrics))


def test_a_bias_towards_length_is_found_and_corrected(asking):
    """Of two equally good answers it takes the longer one, the likelier the longer; the student's are longer."""

    def biased(question, first, second):
        return (
            "[[A]]" if chance(question, *sorted([first, second])) < expit((len(first) - len(second)) / 40) else "[[B]]"
        )

    found = judged(asking, biased, pairs(longer=45)).metrics
    assert found["win_rate"]["low"] > 0.6
    assert holds(found["win_rate_length_controlled"], 0.5)
    assert abs(found["win_rate_length_controlled"]["value"] - 0.5) < abs(found["win_rate"]["value"] - 0.5) / 2
    assert holds(found["win_rate_length_matched"], 0.5)


def test_a_judge_that_always_answers_a_is_flagged(asking):
    found = judged(asking, lambda *shown: "[[A]]", pairs()).metrics
    assert found["win_rate"]["value"] == 0.5 and found["judge_consistency"]["value"] == 0.0
    words = " ".join(warnings(found))
    assert "do not rely on these win rates" in words and "nearly always chooses the answer shown first" in words
