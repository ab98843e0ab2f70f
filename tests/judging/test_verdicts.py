"""Verdicts are read strictly, and a pair's score is the mean of its two games."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging.pairs import decided, pair
from vlrlcd.judging.verdicts import Verdict, games, judged, letter

LETTERS = st.sampled_from("ABC")
OTHER_WORDS = st.text().filter(lambda text: "[[" not in text and "]]" not in text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The first names the cab.\n[[A]]", "A"),
        ("[[B]]", "B"),
        ("[[C]] because neither does.", "C"),
        ("[[A]] ... so once more: [[A]]", "A"),
        ("[[A]] or rather [[B]]", None),
        ("[[a]]", None),
        ("[A]", None),
        ("[[ A ]]", None),
        ("[[AB]]", None),
        ("[[D]]", None),
        ("A is better", None),
        ("", None),
    ],
)
def test_a_verdict_is_one_marker_and_no_other(text, read):
    assert letter(text) == read


@given(OTHER_WORDS, LETTERS, OTHER_WORDS)
def test_words_around_it_mean_nothing(before, marked, after):
    assert letter(f"{before} [[{marked}]] {after}") == marked


@given(st.lists(LETTERS, min_size=2), OTHER_WORDS)
def test_contradiction_is_never_guessed_away(marked, words):
    read = letter(words.join(f"[[{one}]]" for one in marked))
    assert read == (marked[0] if len(set(marked)) == 1 else None)


@given(OTHER_WORDS)
def test_without_a_marker_nothing_is_read(words):
    assert letter(words) is None


def test_each_pair_is_played_in_both_orders():
    one, other = pair(1, "mine", "theirs"), pair(2, "x", "y")
    played = [(game.example.id, game.first, game.second) for game in games([one, other])]
    assert played == [("id1", "mine", "theirs"), ("id1", "theirs", "mine"), ("id2", "x", "y"), ("id2", "y", "x")]


def test_nobody_is_asked_which_of_two_equal_texts_is_better():
    pairs = [pair(1, "x", "y"), pair(2, "same", "same"), pair(3, "y", "x")]
    assert [game.example.id for game in games(pairs)] == ["id1", "id1", "id3", "id3"]
    won, lost = Verdict(("[[A]]",), "A"), Verdict(("[[B]]",), "B")
    found = judged(pairs, [won, lost, lost, won])
    assert [one.score for one in found] == [1.0, 0.5, 0.0] and found[1].letters == ("C", "C")


@pytest.mark.parametrize(
    ("letters", "score"),
    [
        *[("AB", 1.0), ("BA", 0.0), ("CC", 0.5)],
        *[("AA", 0.5), ("BB", 0.5), ("AC", 0.75), ("CA", 0.25), ("CB", 0.75), ("BC", 0.25)],
        *[("--", 0.5), ("A-", 0.75), ("-A", 0.25), ("-B", 0.75)],
    ],
)
def test_scores(letters, score):
    assert decided(letters).score == score


@given(LETTERS, LETTERS)
def test_with_the_sides_turned_round_the_score_is_the_rest_to_one(first, second):
    """The same two games, seen from the other side: the second one comes first."""
    assert decided(first + second).score + decided(second + first).score == 1


def test_a_pair_counts_once_both_games_have_a_verdict():
    said = Verdict(("[[A]]",), "A")
    whole, half, none = judged([pair(1), pair(2), pair(3)], [said, said, said, None, None, None])
    assert whole.letters == ("A", "A") and half is None and none is None
