"""Many answers at once: retries, limits, and when a collection ends."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.anchors.teacher import USAGE, Scripted, asked, collected, examples, passing
from vlrlcd.anchors import turns, writer
from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.store import AnchorStore
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
    assert "--max-usd=1" in done.stopped and done.limited
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


@pytest.mark.parametrize("thought", [1, 1000, 20_000])
def test_tokens_per_minute_whatever_was_thought_at_first(store, thought):
    teacher = Scripted(width=2)
    started = time.monotonic()
    # 1,100 tokens a call at 5,500 a second: ten calls take about two seconds
    done = collected(examples(10), teacher, store, tokens_per_minute=330_000.0, max_tokens=thought)
    assert done.answered == 10 and 1.3 <= time.monotonic() - started < 9


def test_growing_answers_keep_to_the_rate(store):
    sizes = iter(range(200, 10_000, 200))
    teacher = Scripted(
        reply=lambda _: TeacherReply("text", usage={"prompt_tokens": next(sizes), "completion_tokens": 0})
    )
    started = time.monotonic()
    collected(examples(20), teacher, store, tokens_per_minute=600_000.0, max_tokens=1)
    # 42,000 tokens, 10,000 a second; the last calls are not waited for
    assert time.monotonic() - started > 2.5


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


def test_broken_off_calls_count_against_the_budget_as_the_dearest(store, prices):
    broken = {f"question {n}": [passing("time-out", usage=None)] * 3 for n in range(1, 50)}
    done = collected(examples(50), Scripted(broken, width=1), store, Limits(usd=1.0), prices=str(prices))
    # the server may have billed each of three calls of 0.30 USD
    assert "--max-usd=1" in done.stopped and done.ledger.total.calls == 3
    assert done.ledger.total.unpriced == 2


def test_before_there_is_an_answer_they_count_as_the_longest(store, prices):
    broken = {f"question {n}": [passing("time-out", usage=None)] * 3 for n in range(50)}
    done = collected(examples(50), Scripted(broken), store, Limits(usd=1.0), prices=str(prices), max_tokens=400)
    assert "--max-usd=1" in done.stopped and done.ledger.total.calls == 2


def test_a_budget_below_the_longest_answer_asks_nobody(store, prices):
    teacher = Scripted()
    done = collected(examples(5), teacher, store, Limits(usd=0.3), prices=str(prices), max_tokens=400)
    assert not teacher.asked and "--max-usd=0.3" in done.stopped and done.limited


def test_errors_that_cost_nothing_do_not(store, prices):
    faults = {f"question {n}": [passing("HTTP 503")] * 3 for n in range(3)}
    done = collected(examples(3), Scripted(faults, width=1), store, Limits(usd=1.0), prices=str(prices))
    assert done.answered == 3 and done.ledger.total.unpriced == 0


def test_money_is_no_limit_of_a_teacher_that_costs_none(store):
    teacher = Scripted()
    teacher.has_price = False
    with pytest.raises(UserError, match="--max-usd means nothing for scripted"):
        collected(examples(2), teacher, store, Limits(usd=1.0))


@pytest.mark.parametrize("after_s", [0.0, 60.0, None])
def test_an_ending_collection_tries_nothing_again(store, after_s):
    faults = {f"question {n}": [passing(after_s=after_s)] * 99 for n in range(20)}
    teacher = Scripted({**faults, "question 3": [FATAL]}, width=4)
    started = time.monotonic()
    done = collected(examples(20), teacher, store, attempts=99)
    assert done.stopped == "the key is wrong" and sum(teacher.asked.values()) <= 8
    assert time.monotonic() - started < 5


def test_a_server_that_is_not_there_is_soon_said(store):
    faults = {f"question {n}": [passing("connection", usage=None)] * 99 for n in range(99)}
    teacher = Scripted(faults, width=4)
    done = collected(examples(99), teacher, store)
    assert "is the server running?" in done.stopped and 8 <= sum(teacher.asked.values()) <= 12


def test_connections_that_fail_now_and_then_are_no_reason_to_end(store):
    teacher = Scripted({f"question {n}": [passing("connection", usage=None)] for n in range(1, 60)}, width=1)
    assert collected(examples(60), teacher, store).answered == 60


def test_a_lock_that_ends_in_time_costs_no_answer(store, monkeypatch):
    put, until = store.put, time.monotonic() + 2

    def locked(*anchors, **more):
        if time.monotonic() < until:
            raise UserError("the store is locked.")
        return put(*anchors, **more)

    monkeypatch.setattr(store, "put", locked)
    teacher = Scripted(width=4)
    with pytest.raises(UserError, match=r"^the store is locked\.$"):
        collected(examples(50), teacher, store)
    assert len(store) == sum(teacher.asked.values()) == 4


def test_a_lock_that_does_not_end_tells_what_was_lost(store, monkeypatch):
    monkeypatch.setattr(writer, "RESCUE_S", 0.5)
    monkeypatch.setattr(store, "put", lambda *a, **k: (_ for _ in ()).throw(UserError("the store is locked.")))
    with pytest.raises(UserError, match=r"locked\. 4 answers that had just come in could not be stored"):
        collected(examples(50), Scripted(width=4), store)


def test_a_writer_that_dies_ends_the_collection(store, monkeypatch):
    def dies(*anchors, **more):
        raise ZeroDivisionError

    monkeypatch.setattr(store, "put", dies)
    with pytest.raises(ZeroDivisionError):
        collected(examples(50), Scripted(width=4), store)


def test_prompts_that_two_collectors_give_up_keep_neither_waiting(store):
    def faults():
        return {f"question {n}": [skipped()] for n in (3, 11, 17)}

    def one():
        with AnchorStore(store.path) as own:
            return collected(examples(20), Scripted(faults(), width=2), own)

    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(one).result for _ in range(2)]
        done = [end(30) for end in ends]
    assert sum(found.answered for found in done) >= 17 and len(store) >= 17


def test_what_was_claimed_long_ago_is_claimed_anew(store, monkeypatch):
    """As after a suspended machine: others have taken over and answered meanwhile."""
    monkeypatch.setattr(turns, "LEASE_S", 0.0)
    others = [Anchor(ask.key, "scripted", ask.request, "by another") for ask in asked(examples(20)[5:], Scripted())]

    def first(example):
        if example.question == "question 0":
            with AnchorStore(store.path) as own:
                with own.claims() as claims:
                    claims._connection.execute("DELETE FROM claims")
                own.put(*others)
        return TeacherReply("own")

    teacher = Scripted(reply=first, width=1)
    done = collected(examples(20), teacher, store)
    assert sum(teacher.asked.values()) == 5 and (done.answered, done.by_others) == (5, 15)
