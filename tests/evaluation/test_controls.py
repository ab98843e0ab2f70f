from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlrlcd.data.card import load_card
from vlrlcd.data.images import decode
from vlrlcd.data.prompts import Templates
from vlrlcd.evaluation.controls import CONTROLS, blank_images, question_only, wrong_images

SETS = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=2, unique=True), min_size=1, max_size=9)


@pytest.fixture(scope="module")
def templates():
    return Templates(load_card("aokvqa_mc"))


@given(shown=SETS, seed=st.integers(0, 3))
def test_no_question_keeps_an_image_of_its_own(make, templates, shown, seed):
    examples = [make(n, images=tuple(map(Path, names))) for n, names in enumerate(shown)]
    _, asked = wrong_images(templates, examples, seed)
    own = {example.id: example.images for example in examples}
    for example in asked:
        assert example.images and set(example.images).isdisjoint(own[example.id])
        if any(len(i) == len(own[example.id]) and set(i).isdisjoint(own[example.id]) for i in own.values()):
            assert len(example.images) == len(own[example.id])
    left_out = own.keys() - {example.id for example in asked}
    assert all(not set(own[one]).isdisjoint(images) for one in left_out for images in own.values())
    assert [example.id for example in asked] == [one for one in own if one not in left_out]


def test_the_wrong_images_are_shuffled_by_the_seed(make, templates):
    examples = [make(n, images=(Path(str(n)),)) for n in range(30)]
    dealt = [[e.images for e in wrong_images(templates, examples, seed)[1]] for seed in (0, 0, 1)]
    assert dealt[0] == dealt[1] != dealt[2]
    assert sorted(dealt[0]) == sorted(example.images for example in examples)


def test_a_blank_image_is_grey_and_of_the_same_size(make, templates, tmp_path):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    _, (asked,) = blank_images(templates, [make(images=(tmp_path / "a.png",))], 0)
    image = decode(asked.images[0])
    assert image.size == (30, 20) and image.getcolors() == [(600, (128, 128, 128))]


def test_a_described_image_is_blank_by_its_words(make, templates):
    described = templates.described(lambda image: "a red star")
    asked_with, (asked,) = blank_images(described, [make(images=(b"x",))], 0)
    assert asked_with.render("student", asked)[0]["content"][0]["text"] == "Image: not shown."


def test_a_question_alone_has_neither_image_nor_words(make, templates):
    for some in (templates, templates.described(lambda image: "a red star")):
        asked_with, (asked,) = question_only(some, [make(images=(b"x",))], 0)
        (part,) = asked_with.render("student", asked)[0]["content"]
        assert part["text"].startswith("What is this?")


def test_every_control_of_the_configuration_is_there():
    from typing import get_args

    from vlrlcd.config import SightControl

    assert set(CONTROLS) == set(get_args(SightControl))
