"""Verdicts that are asked for: once each, once more where they cannot be read, and never again."""

import json
from collections import Counter

import pytest
from PIL import Image

from tests.anchors.teacher import example
from tests.judging.pairs import pair
from tests.servers.http import completion
from tests.servers.stub_judge import StubJudge
from vlrlcd.anchors.budget import Limits
from vlrlcd.judging.asking import VERDICT_ONLY
from vlrlcd.judging.pairs import Pair
from vlrlcd.judging.verdicts import games

PAIRS = [pair(number, f"mine {number}", f"theirs {number}") for number in range(6)]
GAMES = games(PAIRS)


def mine(question, first, second):
    """The student is always right."""
    return f"Clearly. [[{'A' if first.startswith('mine') else 'B'}]]"


def letters(judge):
    return [verdict and verdict.letter for verdict in judge.verdicts(GAMES)]


def test_every_game_is_asked_once_in_both_orders(asking):
    stub = StubJudge(mine)
    with asking(stub) as judge:
        assert len(judge.missing(GAMES)) == 12 and letters(judge) == [None] * 12
        done = judge.ask(GAMES, Limits())
        assert done.answered == 12 and not done.stopped
        assert letters(judge) == ["A", "B"] * 6 and judge.verdicts(GAMES)[0].said == ("Clearly. [[A]]",)
        assert judge.ask(GAMES, Limits()).answered == 0
    shown = {
        (f"question {n}", *order)
        for n in range(6)
        for order in ((f"mine {n}", f"theirs {n}"), (f"theirs {n}", f"mine {n}"))
    }
    assert stub.games == Counter(shown) and not stub.again
    assert {request["temperature"] for request in stub.requests} == {0.0}


def test_what_was_asked_is_kept_for_the_next_command(asking):
    stub = StubJudge(mine)
    with asking(stub) as judge:
        judge.ask(GAMES[:5], Limits())
    with asking(stub) as judge:
        assert len(judge.missing(GAMES)) == 7
        judge.ask(GAMES, Limits())
        assert judge.store.ledger("stub").total.calls == 12
    assert set(stub.games.values()) == {1}


def test_other_words_are_another_game(asking):
    stub = StubJudge(mine)
    with asking(stub) as judge:
        judge.ask(GAMES, Limits())
        changed = games([pair(0, "mine, rewritten", "theirs 0")])
        assert len(judge.missing(changed)) == 2


def test_the_same_words_twice_are_one_call(asking):
    twice = games([pair(0, "mine", "theirs"), pair(0, "theirs", "mine")])
    with asking(stub := StubJudge(lambda *shown: "[[C]]")) as judge:
        judge.ask(twice, Limits())
        assert [verdict.letter for verdict in judge.verdicts(twice)] == ["C", "C", "C", "C"]
    assert stub.games.total() == 2


def test_where_all_answers_are_equal_nobody_is_asked(asking):
    none = games([pair(0, "same", "same")])
    with asking(stub := StubJudge(mine)) as judge:
        assert judge.missing(none) == [] and judge.ask(none, Limits()).sent == 0
    assert stub.games.total() == 0


def test_a_verdict_that_cannot_be_read_is_asked_for_once_more(asking):
    stub = StubJudge(lambda *shown: "I like the first one.", again=mine)
    with asking(stub) as judge:
        assert judge.ask(GAMES, Limits()).answered == 24
        assert letters(judge) == ["A", "B"] * 6
        assert judge.verdicts(GAMES)[0].said == ("I like the first one.", "Clearly. [[A]]")
        assert not judge.missing(GAMES)
    assert set(stub.games.values()) == set(stub.again.values()) == {1}
    turns = next(request["messages"] for request in stub.requests if len(request["messages"]) > 1)
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [turn["content"][0]["text"] for turn in turns[1:]] == ["I like the first one.", VERDICT_ONLY]


def test_then_it_is_no_verdict_and_nobody_is_asked_again(asking):
    stub = StubJudge(lambda *shown: "Both [[A]] and [[B]].", again=lambda *shown: "[[maybe]]")
    with asking(stub) as judge:
        judge.ask(GAMES, Limits())
        (first, *_) = judge.verdicts(GAMES)
        assert first.letter is None and first.said == ("Both [[A]] and [[B]].", "[[maybe]]")
        judge.ask(GAMES, Limits())
    assert stub.games.total() == stub.again.total() == 12


def test_an_interrupted_second_question_is_asked_by_the_next_command(asking):
    stub = StubJudge(lambda *shown: "Hm.", again=mine)
    with asking(stub, concurrency=1) as judge:
        done = judge.ask(GAMES, Limits(calls=15))
        assert done.limited and "--max-calls=15 is reached" in done.stopped
        assert len(judge.missing(GAMES)) == 9 and letters(judge).count(None) == 9
        assert done.ledger.total.calls == done.answered == 15
    with asking(stub) as judge:
        assert judge.ask(GAMES, Limits()).answered == 9
        assert None not in letters(judge)
    assert stub.games.total() + stub.again.total() == 24


def test_money_spent_on_first_questions_counts_for_the_second(asking, tmp_path):
    prices = {"stub": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.0}}
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    stub = StubJudge(lambda *shown: "Hm.", again=mine)
    with asking(stub, prices=str(tmp_path / "prices.json"), concurrency=1) as judge:
        done = judge.ask(GAMES, Limits(usd=1.55))
        assert done.limited and done.ledger.total.cost_usd == pytest.approx(1.5)
        assert [stub.games.total(), stub.again.total()] == [12, 3]
        words = " ".join(judge.estimate(GAMES))
    assert "9 calls to stub" in words and "0.90 USD one by one" in words and "batch" not in words


def test_whoever_says_nothing_because_of_a_filter_is_not_asked_again(asking):
    with asking(stub := StubJudge(lambda *shown: completion("", "content_filter"))) as judge:
        judge.ask(GAMES, Limits())
        assert letters(judge) == [None] * 12 and judge.verdicts(GAMES)[0].said == ("",)
        assert not judge.missing(GAMES)
    assert stub.games.total() == 12 and not stub.again


def test_the_judge_sees_the_images(asking, tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    seen = Pair(example("a", "question 0", images=(tmp_path / "red.png",)), "mine 0", "theirs 0")
    with asking(stub := StubJudge(mine)) as judge:
        judge.ask(games([seen]), Limits())
    first, _ = stub.requests[0]["messages"][0]["content"]
    assert first["type"] == "image_url" and first["image_url"]["url"].startswith("data:image/jpeg;base64,")
