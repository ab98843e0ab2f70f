import pytest

from vlrlcd.evaluation.types import question_type


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is the man by the bags awaiting?", "what"),
        ("What color is the bus?", "what color"),
        ("What colour is the bus?", "what color"),
        ("WHAT KIND of dog is this?", "what kind"),
        ("How many dogs are there?", "how many"),
        ("How is it held?", "how"),
        ("Why?", "why"),
        ("The man is holding what?", "other"),
        ("In which city is this?", "other"),
        ("", "other"),
        ("42", "other"),
    ],
)
def test_a_question_is_of_the_type_that_it_opens_with(make, question, kind):
    assert question_type(make(question=question)) == kind


def test_a_drawn_question_is_of_its_family(make):
    assert question_type(make(question="What shape is it?", scene={"family": "shape"})) == "shape"
