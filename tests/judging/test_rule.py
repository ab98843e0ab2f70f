"""The rule judge: a scene's truth decides, in the order in which it says so."""

import pytest

from tests.anchors.teacher import example
from vlrlcd.anchors.budget import Limits
from vlrlcd.errors import UserError
from vlrlcd.judging.rule import EQUAL, REASONS, RuleJudge
from vlrlcd.judging.verdicts import Game
from vlrlcd.scenes.world import Object, Scene

SCENE = Scene(2, (Object("red", "star", "small", 0, 0), Object("blue", "circle", "large", 0, 1)))
DRAWN = {"scene": {"family": "colour", "lazy_answer": "red", "scene": SCENE.to_dict()}}
ROW = example("a", choices=("red", "blue"), answer="red", **DRAWN)


def judged(first, second):
    (verdict,) = RuleJudge([ROW]).verdicts([Game(ROW, first, second)])
    return verdict.letter, verdict.said[0]


@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        ("Answer: red", "The star is red. Answer: blue", REASONS[0]),
        ("The circle is green. Answer: red", "The star is red. Answer: blue", REASONS[0]),
        ("Answer: red", "The star is red", REASONS[0]),
        ("The star is red. Answer: red", "The circle is green. Answer: red", REASONS[1]),
        ("Answer: red", "The circle is green. Answer: red", REASONS[1]),
        ("The star is red. Answer: blue", "The circle is green. Answer: blue", REASONS[1]),
        ("The star is red. Answer: red", "Answer: red", REASONS[2]),
        ("The star is red. Answer: red", "I can see it. Answer: red", REASONS[2]),
    ],
)
def test_what_decides(better, worse, reason):
    assert judged(better, worse) == ("A", reason)
    assert judged(worse, better) == ("B", reason)


@pytest.mark.parametrize("text", ["Answer: red", "The star is red. Answer: red", "The circle is green.", ""])
def test_nothing_to_tell_apart(text):
    assert judged(text, text) == ("C", EQUAL)


def test_longer_is_not_better():
    assert judged("The star is red. Answer: red", "The star is red. The circle is blue. Answer: red") == ("C", EQUAL)


@pytest.mark.parametrize("lacking", [{"scene": None}, {"answer": None}, {"choices": ()}])
def test_rows_whose_truth_is_not_known(lacking):
    row = example("a", **{**DRAWN, "choices": ("red", "blue"), "answer": "red", **lacking})
    with pytest.raises(UserError, match=r"train\.json, a: judge\.kind=rule knows the truth of drawn scenes only"):
        RuleJudge([row])


def test_nobody_is_asked():
    judge, game = RuleJudge([ROW]), Game(ROW, "a", "b")
    assert (
        not judge.missing([game]) and not judge.ask([game], Limits()).ledger and "0 calls" in judge.estimate([game])[0]
    )
    with pytest.raises(UserError, match=r"--max-calls and --max-usd mean nothing for judge\.kind=rule"):
        judge.ask([game], Limits(calls=3))
