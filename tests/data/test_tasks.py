import pytest

from vlrlcd.anchors.teachers import teacher_for
from vlrlcd.config import Config
from vlrlcd.data.answers import STYLES, anchor_text
from vlrlcd.data.card import load_card
from vlrlcd.data.example import Example
from vlrlcd.data.tasks import BOXED, CHOICE, TASKS
from vlrlcd.errors import UserError


def example(**fields) -> Example:
    return Example(**{"id": "q", "place": "test/geometry/7.json", "images": (), "question": "Q", **fields})


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (r"So it is $\boxed{\frac12}$.", True),
        (r"\boxed{\frac{2}{4}}", True),
        (r"\boxed{\frac12} or rather \boxed{1}", False),
        (r"\boxed{1} or rather \boxed{0.5}", True),
        ("The answer is 0.5.", False),
        (r"\boxed{0.5", False),
        ("", False),
    ],
)
def test_a_boxed_answer_is_right_by_its_last_box(text, right):
    row = example(answer=r"\frac{1}{2}")
    assert BOXED.right(row, text) is right
    assert BOXED.right(example(), text) is None


def test_a_choice_is_right_by_its_text():
    row = example(choices=("cab", "bus"), answer="cab")
    assert [CHOICE.right(row, text) for text in ("Answer: cab", "Answer: A", "Answer: bus", "cab")] == [
        True,
        True,
        False,
        False,
    ]
    assert CHOICE.right(example(answer="cab"), "Answer: cab") is None
    assert CHOICE.right(example(choices=("cab",)), "Answer: cab") is None


def test_every_task_s_anchors_are_known():
    assert {style for task in TASKS.values() for style in task.anchors.values()} <= set(STYLES)


def test_anchors_of_a_problem():
    row = example(answer="6", rationales=(r"Count them: \boxed{6}.",))
    config, card = Config(), load_card("compmath_geometry")
    assert teacher_for(config, card).text(row) == r"Count them: \boxed{6}."
    config.anchors.style = "terse"
    assert teacher_for(config, card).text(row) == r"\boxed{6}"
    with pytest.raises(UserError, match=r"geometry/7\.json: no answer to make an anchor of; add one, or ask a teacher"):
        anchor_text(example(rationales=("No.",)), "boxed")


def test_a_story_has_no_terse_anchor():
    config, card = Config(), load_card("writing_prompts_eu")
    assert teacher_for(config, card).text(example(rationales=("Once.", "Twice."))) == "Once."
    config.anchors.style = "terse"
    said = r"anchors\.style=terse: the rows of writing_prompts_eu \(task story\) hold no such anchor; use explained"
    with pytest.raises(UserError, match=said):
        teacher_for(config, card)


def test_what_is_compared_with_people_s_words():
    text = " He waited for an answer: none came. "
    assert load_card("writing_prompts_cw").explanations([text]) == [text.strip()]
    assert load_card("aokvqa_rationale").explanations([text]) == ["He waited for an"]
