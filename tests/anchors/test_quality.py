"""What is set aside, and why."""

import pytest

from tests.anchors.teacher import Scripted, asked, example
from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.quality import check_quality
from vlrlcd.config import AnchorsConfig
from vlrlcd.data.tasks import CHOICE
from vlrlcd.errors import UserError

ENGLISH = "The man waits at the kerb with his bags, which is where one gets into a taxi. Answer: cab"
GERMAN = "Der Mann wartet mit seinen Taschen am Bordstein, wo man in ein Taxi steigt. Answer: cab"


def reasons(*texts, check=CHOICE, flags=(), rows=None, **settings):
    wanted = asked(rows or [example(f"id{n}", f"question {n}") for n in range(len(texts))], Scripted())
    anchors = {
        ask.example.id: Anchor(ask.key, "m", ask.request, text, flags=flags)
        for ask, text in zip(wanted, texts, strict=True)
    }
    checked = check_quality(wanted, anchors, AnchorsConfig(**settings), check)
    told = {found.id: found.reason for found in checked.set_aside}
    assert checked.kept.isdisjoint(told) and len(checked.kept) + len(told) == len(wanted)
    assert sum(checked.reasons.values()) == len(told)
    return [told.get(ask.example.id) for ask in wanted]


def test_a_good_anchor_stays():
    assert reasons(ENGLISH, language="en", min_characters=10, max_characters=200) == [None]


@pytest.mark.parametrize(
    ("flag", "words"), [("refusal", "refused"), ("content_filter", "content filter"), ("cut", "max_tokens")]
)
def test_flagged_answers_are_never_trained_on(flag, words):
    assert words in reasons("I cannot help.", flags=(flag,), contradictions="keep")[0]


def test_length():
    short, long = reasons("Answer: cab", ENGLISH, min_characters=20, max_characters=50)
    assert "min_characters" in short and "max_characters" in long


def test_language():
    assert reasons(ENGLISH, GERMAN, language="en") == [None, "in another language"]
    assert reasons(ENGLISH, GERMAN, language="de") == ["in another language", None]
    assert reasons(ENGLISH, GERMAN) == [None, None]


def test_a_text_too_short_to_tell_is_not_accused():
    assert reasons("Answer: cab", "Answer: bus", language="en", contradictions="keep") == [None, None]


def test_an_unknown_language():
    with pytest.raises(UserError, match=r"anchors\.language=english is not known; known are .*en,"):
        reasons(ENGLISH, language="english")


def test_contradictions():
    found = reasons(ENGLISH, "A big vehicle. Answer: bus", "It is a cab.")
    assert found == [None, "names another choice than the row's answer", "names none of the choices"]
    assert reasons("A big vehicle. Answer: bus", "It is a cab.", contradictions="keep") == [None, None]


def test_no_contradiction_where_there_is_nothing_to_contradict():
    open_question = example("a", choices=(), answer="cab")
    unanswered = example("b", "And now?", answer=None)
    assert reasons("A bus.", "A bus.", rows=[open_question, unanswered]) == [None, None]
    assert reasons("A bus stands there.", check=None) == [None]


def test_rows_that_ask_the_same_are_trained_on_once():
    assert reasons(ENGLISH, ENGLISH, rows=[example("a"), example("b")]) == [None, "asks the same as an earlier row"]


def test_of_twins_the_first_good_one_is_kept():
    with_answer, without = example("a"), example("b", answer="bus")
    assert reasons(ENGLISH, ENGLISH, rows=[without, with_answer]) == [
        "names another choice than the row's answer",
        None,
    ]
    assert reasons(ENGLISH, ENGLISH, rows=[with_answer, without])[1] == "asks the same as an earlier row"
