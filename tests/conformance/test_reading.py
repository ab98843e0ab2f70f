"""What sampling has read of prompts need not be read again: judge's prompts that go on from it get the same states."""

from dataclasses import replace

import pytest
import torch

from tests.conformance.stock import close
from vlrlcd import prefix_branches, reading, static_sampling
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.reading import Kept, Read, known
from vlrlcd.sampling import SamplingSettings, sample, uniforms

pytestmark = pytest.mark.check("reading")
SETTINGS = SamplingSettings(branches=2, max_new_tokens=5)


@pytest.fixture
def rows(adapter, cases):
    return [adapter.encode(case.messages) for case in cases]


@pytest.fixture(params=["shrinking", "static"])
def reads(request, adapter, rows):
    """What either way of decoding keeps of the prompts."""
    kept, numbers = Kept(), uniforms(0, 0, ["a", "b", "c"], SETTINGS)
    if request.param == "static":
        static_sampling.sample(adapter, rows, SETTINGS, numbers, width=2, kept=kept)
    else:
        sample(adapter, adapter.collate(rows), SETTINGS, numbers, kept=kept)
    return [Read(row, prompt) for row, prompt in zip(rows, kept.prompts, strict=True)]


def judges(adapter, rows):
    """The prompts with other ends, longer and shorter ones."""
    words = adapter.tokenizer("and what would the teacher say?", add_special_tokens=False)["input_ids"]
    return [replace(row, ids=(*row.ids[: -1 - b], *words[: 2 + 3 * b])) for b, row in enumerate(rows)]


@pytest.mark.parametrize("by_layout", [True, False])
@torch.no_grad()
def test_what_is_known_changes_no_state(adapter, cases, rows, reads, by_layout, monkeypatch):
    monkeypatch.setattr(prefix_branches, "costs_less", lambda *sizes: by_layout)
    branches = pack([case.branches for case in cases])
    for asked in (judges(adapter, rows), rows):
        given = known(adapter, asked, reads)
        assert given.fed <= max(len(row.ids) - len(own.ids) for row, own in zip(asked, rows, strict=True)) + 3
        batch = adapter.collate(asked)
        close(predicting_states(adapter, batch, branches, given), predicting_states(adapter, batch, branches))


@torch.no_grad()
def test_no_image_is_looked_at_again(adapter, cases, rows, reads, sees, monkeypatch):
    monkeypatch.setattr(adapter, "image_features", lambda images: pytest.fail("the tower ran"))
    asked = judges(adapter, rows)
    branches = pack([case.branches for case in cases])
    predicting_states(adapter, adapter.collate(asked), branches, known(adapter, asked, reads))


def test_prompts_that_begin_otherwise_are_read_anew(adapter, rows, reads):
    asked = judges(adapter, rows)
    assert known(adapter, asked, reads)
    assert known(adapter, asked, [None, *reads[1:]]) is None
    (longest,) = [b for b, row in enumerate(rows) if len(row.ids) == max(len(other.ids) for other in rows)]
    turned = [replace(row, ids=row.ids[::-1]) if b == longest else row for b, row in enumerate(asked)]
    assert known(adapter, turned, reads) is None


def test_prompts_with_other_images_are_read_anew(adapter, rows, reads, sees):
    asked = judges(adapter, rows)
    assert known(adapter, [*asked[:2], replace(asked[2], images=dict(asked[2].images))], reads) is None


def test_what_has_no_room_is_read_anew(adapter, rows, monkeypatch):
    kept, numbers = Kept(), uniforms(0, 0, ["a", "b", "c"], SETTINGS)
    sample(adapter, adapter.collate(rows[:1]), SETTINGS, numbers[:1], kept=kept)
    monkeypatch.setattr(reading, "KEPT_BYTES", kept.bytes)
    sample(adapter, adapter.collate(rows[1:]), SETTINGS, numbers[1:], kept=kept)
    assert [prompt is None for prompt in kept.prompts] == [False, True, True]
