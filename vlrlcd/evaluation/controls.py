"""The same questions without the images that belong to them, to see whether a student looks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from vlrlcd.data.descriptions import BLANK
from vlrlcd.data.example import Example, ImageSource
from vlrlcd.data.images import blank
from vlrlcd.data.prompts import Templates
from vlrlcd.draws import generator

Asked = tuple[Templates, list[Example]]
LOOK_AHEAD = 100
"""How many other examples are looked at for images in the place of an example's own."""


def blank_images(templates: Templates, examples: Sequence[Example], seed: int) -> Asked:
    """Every image grey, in its size; or every description one that says nothing."""
    if templates.describes:
        return templates.described(lambda _: BLANK), list(examples)
    return templates, [replace(e, images=tuple(blank(image) for image in e.images)) for e in examples]


def wrong_images(templates: Templates, examples: Sequence[Example], seed: int) -> Asked:
    """Every question with the images of another one, as many where there are such.

    A question for which none of the next LOOK_AHEAD has other images is left out.
    """
    order = [examples[place] for place in generator(seed, "wrong_image").permutation(len(examples))]
    dealt = {example.id: _others(example, order, turn) for turn, example in enumerate(order)}
    return templates, [replace(example, images=dealt[example.id]) for example in examples if dealt[example.id]]


def _others(example: Example, order: Sequence[Example], turn: int) -> tuple[ImageSource, ...]:
    """The images of the nearest example after this one, around the circle, that shares none with it."""
    circle = (order[(turn + step) % len(order)].images for step in range(1, len(order)))
    strange = [images for images in islice(circle, LOOK_AHEAD) if images and set(images).isdisjoint(example.images)]
    return next((images for images in strange if len(images) == len(example.images)), next(iter(strange), ()))


def question_only(templates: Templates, examples: Sequence[Example], seed: int) -> Asked:
    """No image, nor a word of one."""
    return templates, [replace(example, images=()) for example in examples]


CONTROLS: dict[str, Callable[[Templates, Sequence[Example], int], Asked]] = {
    "blank": blank_images,
    "wrong_image": wrong_images,
    "question_only": question_only,
}
"""How the examples with images are asked, by their names in `evaluation.controls`."""
