from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlrlcd.scenes.world import (
    COLOURS,
    MOST_OBJECTS,
    SHAPES,
    SPLIT_PERCENT,
    Object,
    Scene,
    fingerprint,
    sample_scene,
    sample_scene_of,
    split_of,
)

seeds = st.integers(0, 2**32 - 1)
grids = st.sampled_from((2, 3))
STAR = Object("red", "star", "small", 0, 0)


@settings(max_examples=60, deadline=None)
@given(seeds, grids)
def test_a_scene_survives_json_and_reordering(seed, grid):
    scene = sample_scene(np.random.default_rng(seed), grid)
    assert Scene.from_dict(scene.to_dict()) == scene
    shuffled = Scene(grid, scene.objects[::-1])
    assert shuffled == scene and fingerprint(shuffled) == fingerprint(scene)
    assert 2 <= len(scene.objects) <= MOST_OBJECTS[grid]


@settings(max_examples=60, deadline=None)
@given(seeds, grids)
def test_a_change_of_one_object_changes_the_fingerprint(seed, grid):
    scene = sample_scene(np.random.default_rng(seed), grid)
    first, *others = scene.objects
    other_size = {"small": "large", "large": "small"}[first.size]
    assert fingerprint(Scene(grid, (replace(first, size=other_size), *others))) != fingerprint(scene)


def test_split_shares_are_those_of_the_table():
    rng = np.random.default_rng(0)
    found = Counter(split_of(sample_scene(rng, 3)) for _ in range(4000))
    for split, percent in SPLIT_PERCENT.items():
        assert found[split] / 40 == pytest.approx(percent, abs=2)


@pytest.mark.parametrize("split", SPLIT_PERCENT)
def test_scenes_of_a_split_belong_to_it(split):
    rng = np.random.default_rng(0)
    assert {split_of(sample_scene_of(split, rng)) for _ in range(20)} == {split}


def test_colours_shapes_and_numbers_of_objects_come_equally_often():
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(3000)]
    objects = [one for scene in scenes for one in scene.objects]
    for key, words in (("colour", COLOURS), ("shape", SHAPES)):
        found = Counter(getattr(one, key) for one in objects)
        for word in words:
            assert found[word] / len(objects) == pytest.approx(1 / len(words), abs=0.03)
    numbers = Counter(len(scene.objects) for scene in scenes)
    for number in (2, 3, 4):
        assert numbers[number] / len(scenes) == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize(
    "grid, objects",
    [
        (4, (STAR,)),
        (2, (replace(STAR, row=2),)),
        (2, (replace(STAR, colour="pink"),)),
        (2, (STAR, replace(STAR, shape="circle"))),
        (2, (STAR, replace(STAR, row=1))),
    ],
    ids=["grid", "outside", "word", "place taken", "name taken"],
)
def test_impossible_scenes_are_refused(grid, objects):
    with pytest.raises(ValueError):
        Scene(grid, objects)


def test_unknown_split_and_grid_are_refused():
    with pytest.raises(ValueError, match="split"):
        sample_scene_of("dev", np.random.default_rng(0))
    with pytest.raises(ValueError, match="grid"):
        sample_scene(np.random.default_rng(0), 5)
