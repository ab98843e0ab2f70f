"""What p_sft has read of prompts need not be read again: prompts that begin alike go on from it to the same states."""

from dataclasses import replace

import pytest
import torch

from model_adapters import branch_attention
from tests.conformance.stock import close
from vlrlcd import prefix_branches
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.reading import Keeping, known

pytestmark = pytest.mark.check("reading")


@pytest.fixture
def rows(adapter, cases):
    return [adapter.encode(case.messages) for case in cases]


@pytest.fixture
@torch.no_grad()
def reads(adapter, rows, branches):
    """What a pass over some of the prompts and one over the others leave of them."""
    found = []
    for start, stop in ((0, 2), (2, 3)):
        own = rows[start:stop]
        batch = adapter.collate(own)
        keeping = Keeping.of(adapter, batch, list(zip(own, own, strict=True)))
        predicting_states(adapter, batch, pack(branches[start:stop]), keeping=keeping)
        assert keeping.bytes > 0
        found += keeping.reads
    return found


@pytest.fixture
def branches(cases):
    return [case.branches for case in cases]


def others(adapter, rows):
    """The prompts with other ends, longer and shorter ones."""
    words = adapter.tokenizer("and what would the teacher say?", add_special_tokens=False)["input_ids"]
    return [replace(row, ids=(*row.ids[: -1 - b], *words[: 2 + 3 * b])) for b, row in enumerate(rows)]


@pytest.mark.parametrize("attention", ["parts", "copies", "dense"])
@torch.no_grad()
def test_what_is_known_changes_no_state(adapter, rows, branches, reads, attention, monkeypatch):
    monkeypatch.setattr(prefix_branches, "costs_less", lambda *sizes: attention != "dense")
    if attention == "copies":
        monkeypatch.setitem(branch_attention._WAYS, "cpu", branch_attention._with_copies)
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
def test_only_what_is_of_use_is_kept(adapter, rows, branches):
    """Prompts with another beginning are not kept, and others to where they part."""
    asked = [replace(rows[0], ids=rows[0].ids[::-1]), *others(adapter, rows)[1:]]
    batch = adapter.collate(asked)
    keeping = Keeping.of(adapter, batch, list(zip(asked, rows, strict=True)))
    predicting_states(adapter, batch, pack(branches), keeping=keeping)
    assert keeping.reads[0] is None
    for read, judge, own in zip(keeping.reads[1:], asked[1:], rows[1:], strict=True):
        assert read.ids == judge.ids[: len(read.ids)] == own.ids[: len(read.ids)]
        assert {states.shape[1] for layer in read.keys_values for states in layer} == {len(read.ids)}
    assert Keeping.of(adapter, batch, [(asked[0], rows[0])] * 3) is None


def test_nothing_before_an_image_is_kept_where_the_image_must_be_read_anew(adapter, rows, sees):
    own = rows[1]
    first = next(place for place, token in enumerate(own.ids) if token in adapter.placeholder_ids)
    other = replace(own, ids=(*own.ids[: first - 1], own.ids[-1], *own.ids[first:]))
    assert other.ids != own.ids
    assert Keeping.of(adapter, adapter.collate([other]), [(other, own)]) is None
