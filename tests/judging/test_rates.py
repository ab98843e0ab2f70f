"""The judge's own rates, and what is said of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging.pairs import decided
from vlrlcd.judging.cautions import warnings
from vlrlcd.judging.rates import judge_rates

NAMES = ["judge_consistency", "judge_first_position", "judge_ties", "judge_unparsable"]
LETTERS = st.text("ABC-", min_size=2, max_size=2)
NO_LENGTHS = {"win_rate_length_controlled": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}}


def rates(*letters, resamples=50):
    return judge_rates([decided(two) for two in letters], resamples, 0)


def values(*letters):
    return [rates(*letters)[name]["value"] for name in NAMES]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        (["AB", "BA", "CC"], [1.0, 0.5, 1 / 3, 0.0]),
        (["AA", "AA"], [0.0, 1.0, 0.0, 0.0]),
        (["BB", "AB"], [0.5, 0.25, 0.0, 0.0]),
        (["AC", "C-"], [0.0, 1.0, 0.5, 0.25]),
        (["--"], [None, None, 0.0, 1.0]),
        (["CC"], [1.0, None, 1.0, 0.0]),
        ([], [None, None, None, None]),
    ],
)
def test_rates_counted_by_hand(letters, expected):
    assert values(*letters) == pytest.approx(expected)


@given(st.lists(LETTERS, min_size=1, max_size=20))
def test_they_are_those_of_a_slow_count(letters):
    shown = [letter for two in letters for letter in two]
    winners = [letter for letter in shown if letter in "AB"]
    readable = [two for two in letters if "-" not in two]
    agreed = [two for two in readable if two in ("AB", "BA", "CC")]
    expected = [
        len(agreed) / len(readable) if readable else None,
        winners.count("A") / len(winners) if winners else None,
        shown.count("C") / len(shown),
        shown.count("-") / len(shown),
    ]
    assert values(*letters) == pytest.approx(expected)


@given(st.lists(LETTERS, min_size=1, max_size=20))
def test_which_side_is_the_student_s_does_not_matter(letters):
    assert values(*letters) == pytest.approx(values(*(two[::-1] for two in letters)))


def test_equal_answers_are_ties_and_say_nothing_of_the_judge():
    """Letters A and A of a pair whose two games are one request are no sign of a preference for a place."""
    equal = {"answer": "the same", "reference": "the same"}
    found = judge_rates([*(decided(two, **equal) for two in ("AA", "CC")), decided("AB"), decided("--")], 50, 0)
    assert [found[name]["value"] for name in NAMES] == [1.0, 0.5, 0.25, 0.5]
    assert found["judge_equal_answers"]["value"] == 0.5 and found["judge_equal_answers"]["n"] == 4
    assert found["judge_consistency"]["n"] == 1 and found["judge_first_position"]["n"] == 1


def said(*letters):
    return " | ".join(warnings({**rates(*letters), **NO_LENGTHS}))


def test_a_good_judge_is_not_warned_of():
    assert said(*["AB"] * 40, *["BA"] * 40, *["CC"] * 10, "AA", "BB") == ""


def test_a_judge_that_always_answers_a():
    words = said(*["AA"] * 30)
    assert "says the same in both orders in 0% of the pairs" in words and "do not rely" in words
    assert "nearly always chooses the answer shown first" in words


def test_a_judge_that_always_answers_b():
    assert "nearly always chooses the answer shown second" in said(*["BB"] * 30)


def test_a_coin():
    words = said(*["AA", "AB", "BA", "BB"] * 15)
    assert "in both orders in 50% of the pairs, and a coin would in 50%" in words and "shown" not in words


def test_a_leaning_judge():
    words = said(*["AB"] * 60, *["BA"] * 60, *["AA"] * 40)
    assert words.startswith("the judge prefers the answer shown first (62% of its winners stand first)")


def test_unreadable_verdicts():
    assert "25% of the verdicts cannot be read and count as ties" in said(*["AB"] * 15, *["--"] * 5)


def test_no_length_controlled_rate_is_said():
    without = {"win_rate_length_controlled": {"value": None, "low": None, "high": None, "n": 9}}
    (words,) = warnings({**rates(*["AB"] * 9), **without})
    assert words.startswith("there is no length-controlled win rate: the same side is the longer one")
