"""What asking would take, before anyone is asked."""

import json

from tests.anchors.teacher import Scripted, asked, collected, examples
from vlrlcd.anchors.estimate import estimate
from vlrlcd.anchors.prices import Prices
from vlrlcd.config import TeacherConfig


def said(store, prices, todo=8, teacher=None):
    teacher = teacher or Scripted()
    wanted = asked(examples(todo), teacher)
    return " ".join(estimate(wanted, teacher, store, TeacherConfig(max_tokens=100), Prices(prices)))


def test_from_what_the_teacher_took_so_far(store, prices):
    collected(examples(3), Scripted(), store, prices=str(prices))
    words = said(store, prices)
    assert "8 calls to scripted" in words and "after 3 answers of 1,000 and 100 tokens" in words
    assert "2.40 USD one by one, 1.20 USD as a batch" in words


def test_before_the_first_answer_images_are_not_guessed(store, prices):
    words = said(store, prices)
    assert "without what 8 images take" in words and "--max-calls=20" in words and "100 answer tokens at most" in words


def test_a_missing_price_is_said(store, tmp_path):
    (tmp_path / "none.json").write_text(json.dumps({}))
    assert "no estimate of the cost" in said(store, tmp_path / "none.json")


def test_a_teacher_without_a_price(store):
    teacher = Scripted()
    assert estimate(asked(examples(2), teacher), teacher, store, TeacherConfig(), None) == [
        "2 calls to scripted, at least: retries come on top"
    ]


def test_nothing_left_to_ask(store, prices):
    assert said(store, prices, todo=0).startswith("0 calls to scripted")
