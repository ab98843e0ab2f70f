import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.data.answers import MARKER, anchor_text, answer_choice, answer_text, explanation
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError

CHOICES = ("skateboarder", "train", "the cab", "cab")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("He waits. Answer: train", "train"),
        ("Answer: train. No. Answer: cab", "cab"),
        ("**ANSWER:** Train.", "train"),
        ("answer : 'train'!\n", "train"),
        ("Answer:\n train", "train"),
        ("Answer: train\nBecause it is long.", "train"),
        ("Answer: the cab", "the cab"),
        ("Answer: B", "train"),
        ("Answer: (B)", "train"),
        ("Answer: B.", "train"),
        ("Answer: (B) train", "train"),
        ("Answer: B) Train.", "train"),
        ("Answer: (B) cab", None),
        ("Answer: E", None),
        ("Answer: b", None),
        ("Answer: a train", None),
        ("Answer: train or cab", None),
        ("Answer: Cabin", None),
        ("Answer:", None),
        ("It is a train", None),
        ("", None),
    ],
)
def test_the_choice_that_is_named(text, choice):
    assert answer_choice(text, CHOICES) == choice


def test_text_wins_over_letters_and_case_only_counts_where_it_must():
    assert answer_choice("Answer: B", ("C", "A", "B")) == "B"
    assert answer_choice("Answer: us", ("US", "us")) == "us"
    assert answer_choice("Answer: Us", ("US", "us")) is None
    assert answer_choice("Answer: ?", ("!", "?")) == "?"


texts = st.text(min_size=1).filter(lambda text: text.strip() and not MARKER.search(f"Answer: {text}", 7))


@given(st.lists(texts, min_size=1, max_size=5, unique_by=str.strip), st.data(), texts)
def test_a_written_choice_is_read_back(choices, data, rationale):
    choice = data.draw(st.sampled_from(choices))
    assert answer_choice(f"{rationale} Answer: {choice}", choices) == choice


@given(st.text(), st.lists(st.text(), max_size=5))
def test_only_offered_choices_come_out(text, choices):
    assert answer_choice(text, choices) in (None, *choices)


def test_the_two_parts_of_an_answer():
    text = "It is long. Answer: bus\nNo, wait. Answer: train "
    assert explanation(text) == "It is long. Answer: bus\nNo, wait."
    assert answer_text(text) == "train"
    assert (explanation(" just words "), answer_text("just words")) == ("just words", None)


def example(**fields) -> Example:
    return Example(**{"id": "q", "place": "train.jsonl, row 3", "images": (), "question": "Q", **fields})


def test_anchors_of_a_row():
    row = example(answer="cab", rationales=("It is yellow. \n", "Another."))
    assert anchor_text(row, "explained") == "It is yellow. Answer: cab"
    assert anchor_text(row, "terse") == "Answer: cab"
    assert anchor_text(row, "rationale") == "It is yellow."


@pytest.mark.parametrize(
    ("style", "fields", "message"),
    [
        ("terse", {}, "train.jsonl, row 3: no answer to make an anchor of; add one, or ask a teacher for anchors"),
        ("explained", {"rationales": ("R",)}, "train.jsonl, row 3: no answer to make an anchor of"),
        ("explained", {"answer": "cab"}, "train.jsonl, row 3: no rationale to make an anchor of"),
        ("rationale", {"answer": "cab"}, "train.jsonl, row 3: no rationale to make an anchor of"),
    ],
)
def test_a_row_without_an_anchor_is_named(style, fields, message):
    with pytest.raises(UserError, match=message):
        anchor_text(example(**fields), style)
