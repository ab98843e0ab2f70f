"""Answers are worked out again here from the question's text alone, without the generator's code."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from vlrlcd.scenes.families import FAMILIES
from vlrlcd.scenes.questions import ask, pose
from vlrlcd.scenes.world import FOODS, PLACES, split_of

CELL_OF = {
    grid: {name: (row, col) for row, names in enumerate(PLACES[grid]) for col, name in enumerate(names)}
    for grid in PLACES
}
TOWARDS = {"to the left of": (0, -1), "to the right of": (0, 1), "above": (-1, 0), "below": (1, 0)}


def called(scene, words):
    """Objects with all the words, e.g. 'red circle', 'star', 'red object', 'objects'."""
    wanted = {word.removesuffix("s") for word in words.split()} - {"object"}
    return [one for one in scene.objects if wanted <= {one.colour, one.shape, one.size}]


def referred(scene, words):
    """Objects that 'object at the top left', 'object above the star' or 'red circle' may refer to."""
    if at := re.fullmatch(r"object at the (.+)", words):
        cell = CELL_OF[scene.grid][at[1]]
        return [one for one in scene.objects if (one.row, one.col) == cell]
    if side := re.fullmatch(r"object (to the left of|to the right of|above|below) the (.+)", words):
        (landmark,) = called(scene, side[2])
        rows, cols = TOWARDS[side[1]]
        steps = range(1, scene.grid)
        line = [(landmark.row + rows * step, landmark.col + cols * step) for step in steps]
        return [one for one in scene.objects if (one.row, one.col) in line]
    return called(scene, words)


def the(scene, words):
    (one,) = referred(scene, words)
    return one


ANSWERS = {
    r"What colour is the (.+)\?": lambda scene, words: the(scene, words).colour,
    r"What shape is the (.+)\?": lambda scene, words: the(scene, words).shape,
    r"Which object is (.+)\?": lambda scene, words: the(scene, words).name,
    r"How many (.+) are there\?": lambda scene, words: str(len(called(scene, words))),
    r"Where is the (.+)\?": lambda scene, words: scene.place(the(scene, words)),
    r"Which food has the colour of the (.+)\?": lambda scene, words: FOODS[the(scene, words).colour],
}


def answer(scene, question):
    (found,) = [
        (work_out, match[1]) for pattern, work_out in ANSWERS.items() if (match := re.fullmatch(pattern, question))
    ]
    work_out, words = found
    return work_out(scene, words)


@pytest.mark.parametrize("grid", [2, 3])
def test_the_answer_follows_from_scene_and_question_alone(posed, grid):
    for scene, question in posed[grid][:3000]:
        assert answer(scene, question.question) == question.answer


@pytest.mark.parametrize("grid", [2, 3])
def test_form_of_a_question(posed, grid):
    for _, question in posed[grid]:
        assert len(set(question.choices)) == len(question.choices) == 4
        assert {question.answer, question.lazy_answer} <= set(question.choices)
        assert len(question.direct_answers) == 10
        assert Counter(question.direct_answers)[question.answer] == 8
        assert len(set(question.direct_answers)) == len(set(question.rationales)) == 3


def test_other_objects_of_the_scene_are_the_first_distractors(posed):
    for scene, question in posed[2]:
        if question.family == "colour":
            on_scene = {one.colour for one in scene.objects}
            assert on_scene <= set(question.choices)


@pytest.mark.parametrize("grid", [2, 3])
def test_families_come_equally_often_and_the_answer_stands_anywhere(posed, grid):
    count = len(posed[grid])
    families = Counter(question.family for _, question in posed[grid])
    indices = Counter(question.correct_choice_idx for _, question in posed[grid])
    assert set(families) == set(FAMILIES)
    for found in families.values():
        assert found / count == pytest.approx(1 / len(FAMILIES), abs=0.03)
    for index in range(4):
        assert indices[index] / count == pytest.approx(1 / 4, abs=0.03)


def test_the_lazy_answer_is_right_often_enough_to_tempt(posed):
    right = [question.answer == question.lazy_answer for _, question in posed[2]]
    assert 0.40 < np.mean(right) < 0.50


def blind_accuracy(fitted, tested):
    """Accuracy of the majority answer to the same words, among the choices offered."""
    by_text, overall = defaultdict(Counter), Counter()
    for question in fitted:
        by_text[question.question][question.answer] += 1
        overall[question.answer] += 1
    right = [
        question.answer
        == max(question.choices, key=lambda choice: (by_text[question.question][choice], overall[choice]))
        for question in tested
    ]
    return np.mean(right)


def offered_rate_accuracy(fitted, tested):
    """As above, with the rate at which an offered choice was right: frequent distractors earn nothing."""
    right, offered = defaultdict(Counter), defaultdict(Counter)
    for question in fitted:
        right[question.question][question.answer] += 1
        offered[question.question].update(question.choices)
    hits = []
    for question in tested:
        known, seen = right[question.question], offered[question.question]
        hits.append(question.answer == max(question.choices, key=lambda choice: known[choice] / (seen[choice] or 1)))
    return np.mean(hits)


@pytest.mark.parametrize("predictor", [blind_accuracy, offered_rate_accuracy])
def test_who_does_not_look_does_not_know(posed, predictor):
    questions = [question for _, question in posed[2]]
    assert predictor(questions[:20_000], questions[20_000:]) < 0.30


def test_ask_serves_every_family_a_scene_allows(posed):
    rng = np.random.default_rng(0)
    for scene, question in posed[3][:300]:
        again = ask(scene, rng, question.family)
        assert again.family == question.family
        anything = ask(scene, rng)
        assert answer(scene, anything.question) == anything.answer


def test_pose_is_deterministic_and_keeps_to_its_split():
    first = [pose("val", np.random.default_rng(5)) for _ in range(3)]
    assert first == [pose("val", np.random.default_rng(5)) for _ in range(3)]
    assert {split_of(scene) for scene, _ in first} == {"val"}


def test_impossible_requests_are_refused(posed):
    pair = next(scene for scene, _ in posed[2] if len(scene.objects) == 2)
    with pytest.raises(ValueError, match="size"):
        ask(pair, np.random.default_rng(0), "size")
    with pytest.raises(KeyError):
        ask(pair, np.random.default_rng(0), "weather")
    with pytest.raises(ValueError, match="split"):
        pose("dev", np.random.default_rng(0))
    with pytest.raises(ValueError, match="grid"):
        pose("val", np.random.default_rng(0), 4)
