"""What p_sft has read of prompts need not be read again: prompts that begin alike go on from it to the same states."""

from dataclasses import replace

import pytest
import torch

from tests.conformance.stock import close
from vlrlcd import prefix_branches, reading
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.reading import Kept, Read, known

pytestmark = pytest.mark.check("reading")


@pytest.fixture
def rows(adapter, cases):
    return [adapter.encode(case.messages) for case in cases]


@pytest.fixture
@torch.no_grad()
def reads(adapter, rows, branches):
    """What passes over some of the prompts and over one leave of them."""
    kept = Kept()
    for start, stop in ((0, 2), (2, 3)):
        predicting_states(adapter, adapter.collate(rows[start:stop]), pack(branches[start:stop]), kept=kept)
    return [Read(row, prompt) for row, prompt in zip(rows, kept.prompts, strict=True)]


@pytest.fixture
def branches(cases):
    return [case.branches for case in cases]


def others(adapter, rows):
    """The prompts with other ends, longer and shorter ones."""
    words = adapter.tokenizer("and what would the teacher say?", add_special_tokens=False)["input_ids"]
    return [replace(row, ids=(*row.ids[: -1 - b], *words[: 2 + 3 * b])) for b, row in enumerate(rows)]


@pytest.mark.parametrize("by_layout", [True, False])
@torch.no_grad()
def test_what_is_known_changes_no_state(adapter, rows, branches, reads, by_layout, monkeypatch):
    monkeypatch.setattr(prefix_branches, "costs_less", lambda *sizes: by_layout)
    for asked in (others(adapter, rows), rows):
        given = known(adapter, asked, reads)
        assert given.fed <= max(len(row.ids) - len(own.ids) for row, own in zip(asked, rows, strict=True)) + 3
        batch = adapter.collate(asked)
        close(
            predicting_states(adapter, batch, pack(branches), given), predicting_states(adapter, batch, pack(branches))
        )


@torch.no_grad()
def test_no_image_is_looked_at_again(adapter, rows, branches, reads, sees, monkeypatch):
    monkeypatch.setattr(adapter, "image_features", lambda images: pytest.fail("the tower ran"))
    asked = others(adapter, rows)
    predicting_states(adapter, adapter.collate(asked), pack(branches), known(adapter, asked, reads))


def test_prompts_that_begin_otherwise_are_read_anew(adapter, rows, reads):
    asked = others(adapter, rows)
    assert known(adapter, asked, reads)
    assert known(adapter, asked, [None, *reads[1:]]) is None
    (longest,) = [b for b, row in enumerate(rows) if len(row.ids) == max(len(other.ids) for other in rows)]
    turned = [replace(row, ids=row.ids[::-1]) if b == longest else row for b, row in enumerate(asked)]
    assert known(adapter, turned, reads) is None


def test_prompts_with_other_images_are_read_anew(adapter, rows, reads, sees):
    asked = others(adapter, rows)
    assert known(adapter, [*asked[:2], replace(asked[2], images=dict(asked[2].images))], reads) is None


@torch.no_grad()
def test_what_has_no_room_is_read_anew(adapter, rows, branches, reads, monkeypatch):
    kept = Kept()
    first = sum(states.nbytes for layer in reads[0].keys_values for states in layer)
    monkeypatch.setattr(reading, "KEPT_BYTES", first)
    predicting_states(adapter, adapter.collate(rows), pack(branches), kept=kept)
    assert [prompt is None for prompt in kept.prompts] == [False, True, True] and kept.bytes == first
    assert known(adapter, rows, [Read(rows[0], kept.prompts[0]), None, None]) is None
