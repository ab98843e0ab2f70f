"""The eyes of the demo, on drawings that they were not trained on."""

from pathlib import Path

import numpy as np

from model_adapters.eyes import Describer
from vlrlcd.data.labels import label_groups
from vlrlcd.scenes.draw import draw
from vlrlcd.scenes.world import PLACES, sample_scene_of

FOLDER = Path(__file__).parents[2] / "checkpoints/tiny-clip-scenes"


def told(scene):
    """What a describer without fault says."""
    found = {one.cell: one.full_name for one in scene.objects}
    cells = [(row, col) for row in range(2) for col in range(2)]
    return " ".join(f"{PLACES[2][r][c]}: {found.get((r, c), 'nothing')}." for r, c in cells)


def test_held_out_drawings_are_described_as_they_are():
    rng = np.random.default_rng(1)
    scenes = [sample_scene_of("val", rng) for _ in range(100)]
    eyes = Describer(str(FOLDER), label_groups(FOLDER / "labels.yaml"))
    found = eyes.describe([draw(scene) for scene in scenes])
    right = [said == told(scene) for said, scene in zip(found, scenes, strict=True)]
    assert np.mean(right) >= 0.97
