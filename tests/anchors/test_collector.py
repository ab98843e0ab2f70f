"""Many answers at once: retries, limits, and when a collection ends."""

import time

import pytest

from tests.anchors.teacher import USAGE, Scripted, collected, examples, passing
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.teachers import TeacherFault, TeacherReply
from vlrlcd.errors import UserError

FATAL = TeacherFault("HTTP 401", "the key is wrong", "stop")


def skipped():
    return TeacherFault("no room for text", "raise teacher.max_tokens", "skip", usage=USAGE)


def test_as_many_as_wanted_are_in_flight_and_no_more(store):
    teacher = Scripted(width=7)
    collected(examples(40), teacher, store)
    assert teacher.most_in_flight == 7 and teacher.closed == 1


def test_what_passes_is_asked_again_and_counted(store):
    faults = {"question 1": [passing(), passing("time-out")], "question 2": [passing("empty answer", usage=USAGE)]}
    teacher = Scripted(faults)
    done = collected(examples(4), teacher, store)
    assert (done.answered, done.given_up, done.stopped) == (4, [], None)
    assert done.ledger.outcomes == {"answered": 4, "HTTP 503": 1, "empty answer": 1, "time-out": 1}
    assert done.ledger.total.calls == sum(teacher.asked.values()) == 7
    assert done.ledger.total.prompt_tokens == 5000
    assert store.ledger("scripted").accounts == done.ledger.accounts


def test_the_store_adds_up_collections(store):
    collected(examples(2), Scripted(), store)
    collected(examples(5), Scripted({"question 3": [passing()]}), store)
    assert store.ledger().outcomes == {"answered": 5, "HTTP 503": 1}


def test_the_server_s_own_pause_is_kept(store):
    started = time.monotonic()
    collected(examples(1), Scripted({"question 0": [passing(after_s=0.3)]}), store)
    assert 0.3 <= time.monotonic() - started < 2


def test_a_prompt_is_given_up_after_its_attempts_and_the_others_go_on(store):
    teacher = Scripted({"question 1": [passing()] * 4})
    done = collected(examples(6), teacher, store)
    assert done.answered == 5 and done.given_up == [("train.json, id1", "the server is busy")]
    assert teacher.asked["question 1"] == 4 and done.stopped is None
    assert collected(examples(6), Scripted(), store).answered == 1


def test_what_another_try_cannot_mend_is_not_tried_again(store):
    teacher = Scripted({"question 1": [skipped()]})
    done = collected(examples(3), teacher, store)
    assert done.answered == 2 and teacher.asked["question 1"] == 1
    assert done.ledger.outcomes == {"answered": 2, "no room for text": 1}


def test_a_fatal_fault_ends_the_collection_and_keeps_what_is_there(store):
    teacher = Scripted({"question 6": [FATAL]}, width=2)
    done = collected(examples(100), teacher, store)
    assert done.stopped == "the key is wrong"
    assert done.answered == len(store) and 4 <= len(store) <= 8 and teacher.in_flight == 0


def test_a_server_that_is_down_is_not_asked_for_every_prompt(store):
    teacher = Scripted({f"question {n}": [passing()] * 4 for n in range(100)}, width=2)
    done = collected(examples(100), teacher, store)
    assert "5 prompts in a row had no answer, the last because the server is busy" in done.stopped
    assert sum(teacher.asked.values()) <= 4 * 7


def test_max_calls_counts_retries_too(store):
    teacher = Scripted({"question 1": [passing()] * 2})
    done = collected(examples(50), teacher, store, Limits(calls=10))
    assert sum(teacher.asked.values()) == 10 and "--max-calls=10" in done.stopped
    assert len(store) == done.answered >= 8


@pytest.mark.parametrize("width", [1, 8])
def test_max_usd_is_never_passed(store, prices, width):
    teacher = Scripted(width=width)
    done = collected(examples(50), teacher, store, Limits(usd=1.0), prices=str(prices))
    assert "--max-usd=1" in done.stopped
    assert done.answered == 3 and done.ledger.total.cost_usd == pytest.approx(0.9)


def test_empty_answers_cost_money_too(store, prices):
    teacher = Scripted({"question 0": [passing("empty answer", usage=USAGE)] * 2}, width=1)
    done = collected(examples(50), teacher, store, Limits(usd=1.0), prices=str(prices))
    assert done.answered == 1 and done.ledger.total.cost_usd == pytest.approx(0.9)


def test_max_usd_without_a_price_is_refused_before_anyone_is_asked(store, tmp_path):
    (tmp_path / "none.json").write_text("{}")
    teacher = Scripted()
    with pytest.raises(UserError, match=r"none\.json has no price of scripted"):
        collected(examples(2), teacher, store, Limits(usd=1.0), prices=str(tmp_path / "none.json"))
    assert not teacher.asked


def test_max_usd_with_a_server_that_tells_no_usage_ends_after_one_call(store, prices):
    teacher = Scripted(reply=lambda example: TeacherReply("an answer"))
    done = collected(examples(9), teacher, store, Limits(usd=1.0), prices=str(prices))
    assert done.answered == 1 and "usage" in done.stopped


def test_requests_per_minute(store):
    started = time.monotonic()
    collected(examples(20), Scripted(), store, requests_per_minute=600.0)
    assert 0.8 <= time.monotonic() - started < 4


def test_tokens_per_minute(store):
    started = time.monotonic()
    # 1,100 tokens a call, 2,750 a second: after the first few, five calls take two seconds
    collected(examples(6), Scripted(width=1), store, tokens_per_minute=165_000.0, max_tokens=1100)
    assert 1.0 <= time.monotonic() - started < 6


def test_a_store_that_fails_ends_the_collection_and_keeps_what_is_there(store):
    def fills_up(example):
        if example.question == "question 10":
            store._connection.execute("PRAGMA max_page_count = 8")
        return TeacherReply("text " * 5_000)

    with pytest.raises(UserError, match="free some disk space"):
        collected(examples(100), Scripted(reply=fills_up, width=2), store)
    assert 1 <= len(store) <= 15


def test_a_bug_is_not_swallowed(store):
    def broken(example):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        collected(examples(3), Scripted(reply=broken), store)


def test_flags_are_told(store):
    done = collected(examples(3), Scripted(reply=lambda _: TeacherReply("", flags=("content_filter",))), store)
    assert done.answered == 3 and done.flagged == {"content_filter": 3}
