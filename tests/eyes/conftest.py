import numpy as np
import pytest
from PIL import Image

from model_adapters.eyes import LabelGroup
from tests.tiny_eyes import tiny_clip, tiny_coca


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def coca(tmp_path_factory):
    return tiny_coca(tmp_path_factory.mktemp("coca"), seed=5)


@pytest.fixture(scope="session")
def groups():
    return [
        LabelGroup(("cat", "dog", "horse", "traffic light", "a bowl of soup"), "a photo of a {}", say=2, title="seen"),
        LabelGroup(("day", "night", "dawn"), "taken at {}"),
    ]


@pytest.fixture(scope="session")
def pictures():
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(256, size=(h, w, 3), dtype=np.uint8)) for h, w in ((30, 40), (24, 24), (9, 50))
    ]
