import numpy as np
import pytest

from vlrlcd.scenes.questions import pose


@pytest.fixture(scope="session")
def posed():
    """25,000 posed 2 x 2 questions and 3,000 of 3 x 3, with their scenes."""
    rng = np.random.default_rng(7)
    return {grid: [pose("pretrain", rng, grid) for _ in range(count)] for grid, count in ((2, 25_000), (3, 3_000))}
