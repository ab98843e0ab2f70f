import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data.tasks import CHOICE
from vlrlcd.evaluation import metrics
from vlrlcd.evaluation.metrics import direct_answer_normalised, direct_answer_official, majority


def multiple_choice(examples, texts):
    return metrics.accuracy(CHOICE, examples, metrics.named(CHOICE, examples, texts))


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("It is yellow. Answer: cab", 1.0),
        ("Answer: Cab.", 1.0),
        ("Answer: A", 1.0),
        ("Answer: bus", 0.0),
        ("Answer: taxi", 0.0),
        ("It is a cab.", 0.0),
        ("", 0.0),
    ],
)
def test_multiple_choice(make, text, score):
    assert multiple_choice([make()], [text]) == [score]


def test_choices_that_differ_in_case_only_are_told_apart(make):
    example = make(choices=("Turkey", "turkey"), answer="turkey")
    assert multiple_choice([example] * 3, ["Answer: turkey", "Answer: Turkey", "Answer: TURKEY"]) == [1.0, 0.0, 0.0]


def test_a_choice_offered_twice_is_right_by_its_text(make):
    example = make(choices=("cab", "bus", "cab", "bike"), answer="cab")
    assert multiple_choice([example] * 2, ["Answer: cab", "Answer: C"]) == [1.0, 1.0]


def test_what_cannot_be_right_or_wrong_does_not_count(make):
    hidden, open_question = make(answer=None, direct_answers=()), make(choices=())
    assert multiple_choice([hidden, open_question, make()], ["Answer: cab"] * 3) == [None, None, 1.0]
    assert majority([hidden, open_question, make()], [make()]) == [None, None, 1.0]
    assert direct_answer_official([hidden], ["cab"]) == [None]


def test_chosen_names_the_choice_or_nothing(make):
    assert metrics.named(CHOICE, [make()] * 2, ["Answer: (B)", "cab"]) == ["bus", None]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("cab", 1.0),
        (" cab", 0.0),
        (None, 0.0),
        ("taxi", 2 / 3),
        ("a taxi", 1 / 3),
        ("Cab", 0.0),
        ("cab.", 0.0),
        ("the cab", 0.0),
        ("Answer: cab", 0.0),
        ("", 0.0),
    ],
)
def test_direct_answer(make, text, score):
    example = make(direct_answers=("cab", "cab", "cab", "cab", "taxi", "taxi", "a taxi"))
    assert direct_answer_official([example], [text]) == [pytest.approx(score)]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("cab", 1.0),
        (" Cab. \n", 1.0),
        ("CAB", 1.0),
        ("Taxi.", 1.0),
        ("cab..", 0.0),
        ("the cab", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_a_normalised_direct_answer_forgives_case_and_full_stop_on_both_sides(make, text, score):
    example = make(direct_answers=("Cab", "cab.", "cab", "cab", "TAXI", "taxi.", "taxi"))
    assert direct_answer_normalised([example], [text]) == [pytest.approx(score)]


def test_an_answer_that_names_no_choice_is_unreadable(make):
    assert metrics.unreadable(CHOICE, [make(), make(), make(choices=())], ["cab", None, None]) == [0.0, 1.0, None]
    assert metrics.unreadable(CHOICE, [make(), make(), make(choices=())], ["", "zebra", "zebra"]) == [1.0, 1.0, None]


def test_a_difficult_direct_answer_does_not_count(make):
    assert direct_answer_official([make(difficult_direct_answer=True), make()], ["cab", "cab"]) == [None, 1.0]


def test_majority_takes_the_most_frequent_right_answer_that_is_offered(make):
    answers = ["bus", "bus", "cab", "train"]
    examples = [make(number, answer=answer) for number, answer in enumerate(answers)]
    no_bus = make(9, choices=("cab", "lorry", "train"), answer="train")
    assert majority([*examples, no_bus], [*examples, no_bus]) == [1.0, 1.0, 0.0, 0.0, 1.0]


def test_majority_takes_the_first_of_equally_frequent_choices(make):
    first, second = make(0, choices=("b", "a"), answer="b"), make(1, choices=("b", "a"), answer="a")
    assert majority([first, second], []) == [1.0, 0.0]


@pytest.mark.parametrize("score", [multiple_choice, direct_answer_official])
def test_as_many_outputs_as_examples(make, score):
    with pytest.raises(ValueError, match="shorter"):
        score([make(), make()], ["cab"])


WORDS = ("cab", "bus", "train", "bike", "Cab", "")
QUESTIONS = st.lists(
    st.tuples(
        st.sampled_from(WORDS[:4]),
        st.lists(st.sampled_from(WORDS), max_size=10),
        st.booleans(),
        st.sampled_from(WORDS),
    ),
    max_size=12,
)


@given(questions=QUESTIONS, data=st.data())
def test_scores_lie_between_0_and_1_and_do_not_depend_on_the_order(make, questions, data):
    examples = [
        make(number, answer=answer, direct_answers=tuple(given_answers), difficult_direct_answer=difficult)
        for number, (answer, given_answers, difficult, _) in enumerate(questions)
    ]
    texts = [said for *_, said in questions]
    order = data.draw(st.permutations(range(len(questions))))
    for score, outputs in (
        (multiple_choice, [f"Answer: {text}" for text in texts]),
        (direct_answer_official, texts),
        (lambda examples, _: majority(examples, [make()]), texts),
    ):
        scores = score(examples, outputs)
        assert all(value is None or 0 <= value <= 1 for value in scores)
        shuffled = score([examples[place] for place in order], [outputs[place] for place in order])
        assert shuffled == [scores[place] for place in order]
