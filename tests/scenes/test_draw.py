from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from vlrlcd.scenes.draw import BACKGROUND, RGB, draw
from vlrlcd.scenes.world import COLOURS, SHAPES, SIZES, Object, Scene, sample_scene


def picture(colour="red", shape="circle", size="large", row=0, col=0):
    return draw(Scene(2, (Object(colour, shape, size, row, col),)))


def inked(image):
    return np.abs(np.asarray(image, dtype=int) - BACKGROUND).sum(axis=2) > 120


@pytest.mark.parametrize("grid", [2, 3])
def test_size_and_mode(grid):
    image = draw(sample_scene(np.random.default_rng(0), grid), cell_px=20)
    assert (image.mode, image.size) == ("RGB", (20 * grid, 20 * grid))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_an_object_stays_inside_its_cell(shape, size):
    ink = inked(picture(shape=shape, size=size, row=1, col=0))
    assert ink[48:, :48].any() and ink[48:, :48].sum() == ink.sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_small_is_clearly_smaller(shape):
    assert inked(picture(shape=shape, size="small")).sum() < inked(picture(shape=shape, size="large")).sum() / 2.5


def test_colours_are_told_apart_at_16_pixels_a_cell():
    seen = {
        colour: np.asarray(picture(colour, size="small").resize((32, 32), Image.Resampling.BICUBIC), dtype=int)[8, 8]
        for colour in COLOURS
    }
    for one, other in combinations(COLOURS, 2):
        assert np.abs(seen[one] - seen[other]).sum() > 80, (one, other)
    assert set(RGB) == set(COLOURS)


def test_shapes_are_told_apart_at_16_pixels_a_cell():
    seen = {
        shape: np.asarray(picture(shape=shape, size="small").resize((32, 32), Image.Resampling.BICUBIC), dtype=int)
        for shape in SHAPES
    }
    for one, other in combinations(SHAPES, 2):
        assert np.abs(seen[one] - seen[other]).sum() > 500, (one, other)
