import json

import pytest

from vlrlcd.anchors.store import AnchorStore


@pytest.fixture
def store(tmp_path):
    with AnchorStore(tmp_path / "anchors.sqlite") as store:
        yield store


@pytest.fixture
def prices(tmp_path):
    """A price file in which a call of USAGE to `scripted` costs 0.30 USD, and half of it as a batch."""
    known = {"input_cost_per_token": 2e-4, "output_cost_per_token": 1e-3, "cache_read_input_token_cost": 1e-4}
    batches = {"input_cost_per_token_batches": 1e-4, "output_cost_per_token_batches": 5e-4}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({name: {**known, **batches} for name in ("scripted", "stub")}))
    return path
