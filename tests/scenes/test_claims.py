import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.scenes.claims import claims
from vlrlcd.scenes.families import FAMILIES
from vlrlcd.scenes.world import COLOURS, FOODS, SHAPES, Object, Scene, places

SCENE = Scene(
    2,
    (
        Object("red", "star", "small", 0, 0),
        Object("blue", "circle", "large", 0, 1),
        Object("red", "circle", "large", 1, 0),
    ),
)


OPPOSITES = {
    "size": {"small": "large", "large": "small"},
    "relation": {"left": "right", "right": "left", "above": "below", "below": "above"},
}


def judged(text, scene=SCENE):
    return [claim.true for claim in claims(text, scene)]


@pytest.mark.parametrize("grid", [2, 3])
def test_every_rationale_makes_true_claims_only(posed, grid):
    for scene, question in posed[grid][:1200]:
        for rationale in question.rationales:
            found = judged(rationale, scene)
            assert found and all(found), (rationale, scene)


def untrue(scene, question):
    """Words and what to put in their place to turn a rationale of the question into a falsehood."""
    absent = {
        "colour": set(COLOURS) - {one.colour for one in scene.objects},
        "shape": set(SHAPES) - {one.shape for one in scene.objects},
        "place": set(places(scene.grid)) - {scene.place(one) for one in scene.objects},
        "count": {"7"},
        "knowledge": set(FOODS.values()) - {question.answer},
    }
    if question.family in OPPOSITES:
        return OPPOSITES[question.family]
    return dict(zip([question.answer], sorted(absent[question.family]), strict=False))


@pytest.mark.parametrize("grid", [2, 3])
def test_a_swapped_word_is_found_out(posed, grid):
    families = set()
    for scene, question in posed[grid][:1200]:
        swaps = untrue(scene, question)
        for rationale in question.rationales if swaps else ():
            families.add(question.family)
            words = re.split(r"\b(" + "|".join(swaps) + r")\b", rationale)
            swapped = "".join(swaps.get(word, word) for word in words)
            # one wording of a relation names the two places and no side
            untouched = question.family == "relation" and swapped == rationale
            assert untouched or not all(judged(swapped, scene)), (swapped, scene)
    assert families == set(FAMILIES)


@given(st.text(max_size=80))
def test_any_text_is_read(text):
    assert judged(text) == [] or "object" in text or any(word in text.lower() for word in (*SHAPES, *FOODS.values()))


@pytest.mark.parametrize(
    "text",
    [
        "the star is red",
        "THE STAR IS RED.",
        "The star is red . Answer: blue",
        "The  star is red.\nAnswer: a blue star is at the bottom left",
        "I see that the star is red!",
        "Answer: blue\nThe star is red.",
    ],
)
def test_case_spaces_and_an_answer_line_do_not_matter(text):
    assert judged(text) == [True]


@pytest.mark.parametrize(
    "text, truths",
    [
        ("The green star is at the top left.", [False]),
        ("There is a red square at the top left.", [False]),
        ("The object at the bottom right is red.", [False]),
        ("The circle is blue and a banana is yellow.", [True, True]),
        ("The circle is blue and a banana is purple.", [True, False]),
        ("The red star has the colour of a cherry.", [True]),
        ("The star at the top left is red, like a lime.", [False]),
        ("There are 2 circles: at the top right and at the bottom left.", [True, True, True]),
        ("There are 2 circles : at the top right , and at the top left.", [True, True, False]),
        ("There are 3 red objects: at the top left.", [False, True]),
        ("3 objects are in the picture.", [True]),
        ("The number of stars is 2.", [False]),
        ("The only small object is the red star.", [True]),
        ("The only large object is the blue circle.", [False]),
        ("The red star is small and the others are large.", [True]),
        ("The blue circle is large and the others are small.", [False]),
        ("The object to the right of the star is a large blue circle.", [True]),
        ("The red circle is below the blue circle.", [False]),
        ("The red circle is below the star. The star is above the red circle.", [True, True]),
        ("What a lovely picture of nothing.", []),
        ("", []),
    ],
)
def test_judgement_of_known_sentences(text, truths):
    assert judged(text) == truths


def test_a_claim_keeps_its_words():
    assert [claim.text for claim in claims("Well, the star is Red and a lime is green.", SCENE)] == [
        "the star is red",
        "a lime is green",
    ]
