import numpy as np
import pytest

from vlrlcd.errors import UserError
from vlrlcd.evaluation import truth
from vlrlcd.scenes.questions import pose
from vlrlcd.scenes.world import Object, Scene

SCENE = Scene(2, (Object("red", "star", "small", 0, 0), Object("blue", "circle", "large", 0, 1)))


def truthful_rationales(examples, texts):
    return truth.truthful(truth.claims_of(examples, texts))


def claims_per_rationale(examples, texts):
    return truth.claims_made(truth.claims_of(examples, texts))


def entry(scene):
    return {"family": "colour", "lazy_answer": "red", "scene": scene.to_dict()}


@pytest.mark.parametrize(
    ("text", "true", "count"),
    [
        ("The star is red. Answer: red", 1.0, 1.0),
        ("The star is red. The circle is large. Answer: red", 1.0, 2.0),
        ("The star is red. The circle is green. Answer: red", 0.0, 2.0),
        ("The circle is green. Answer: red", 0.0, 1.0),
        ("There is a square. Answer: red", 0.0, 1.0),
        ("The star is red", 1.0, 1.0),
        ("I can see it. Answer: red", 0.0, 0.0),
        ("Answer: the star is red", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_an_explanation_is_true_if_all_its_claims_are(make, text, true, count):
    example = make(scene=entry(SCENE))
    assert truthful_rationales([example], [text]) == [true]
    assert claims_per_rationale([example], [text]) == [count]


def test_false_claims_and_explanations_with_one_are_counted(make):
    texts = ["The star is red. The circle is green. There is a square.", "The star is red.", "I see it.", "No scene."]
    made = truth.claims_of([*[make(scene=entry(SCENE))] * 3, make()], texts)
    assert truth.false_claims(made) == [2.0, 0.0, 0.0, None]
    assert truth.claims_made(made) == [3.0, 1.0, 0.0, None]
    assert truth.hallucinates(made) == [1.0, 0.0, 0.0, None]


def test_a_photograph_does_not_count(make):
    examples = [make(), make(scene=entry(SCENE))]
    assert truthful_rationales(examples, ["The star is red."] * 2) == [None, 1.0]
    assert claims_per_rationale(examples, ["The star is red."] * 2) == [None, 1.0]


@pytest.mark.parametrize("grid", [2, 3])
def test_the_rationales_of_drawn_questions_are_true_and_mostly_false_of_other_scenes(make, grid):
    rng = np.random.default_rng(5)
    posed = [pose("val", rng, grid) for _ in range(60)]
    examples = [make(number, scene=entry(scene)) for number, (scene, _) in enumerate(posed)]
    texts = [f"{question.rationales[0]} Answer: {question.answer}" for _, question in posed]
    assert set(truthful_rationales(examples, texts)) == {1.0}
    assert min(claims_per_rationale(examples, texts)) >= 1
    assert np.mean(truthful_rationales(examples, texts[1:] + texts[:1])) < 0.5


@pytest.mark.parametrize(
    "spoilt", [{}, {"scene": None}, {"scene": {"grid": 7, "objects": []}}, {"scene": {"grid": 2, "objects": [{}]}}, []]
)
def test_a_scene_that_cannot_be_read_names_the_row(make, spoilt):
    with pytest.raises(UserError, match=r"aokvqa_v1p0_val\.json, row 3.*draw the split again"):
        truthful_rationales([make(3, scene=spoilt)], ["The star is red."])
