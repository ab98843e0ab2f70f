"""What only families of any resolution with rotary positions on three axes have."""

import pytest
import torch

from model_adapters import AdapterError, adapter_for
from tests.conformance.cases import ask, picture
from tests.tiny import FAMILIES
from tests.tiny.qwen_vl import MERGED

KINDS = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
    return FAMILIES[request.param](tmp_path / "checkpoint")


def tokens_of(adapter, width, height):
    return adapter.encode(ask("why?", picture(width, height, 0))).image_tokens


def test_pixel_limits_bound_the_tokens_and_are_saved(folder, tmp_path):
    free, bound = adapter_for(folder), adapter_for(folder, min_pixels=4 * MERGED**2, max_pixels=6 * MERGED**2)
    assert (tokens_of(free, 90, 90), tokens_of(free, 16, 8)) == (9, 2)
    assert (tokens_of(bound, 90, 90), tokens_of(bound, 16, 8)) == (4, 6)
    bound.processor.save_pretrained(folder)
    again = adapter_for(folder)
    assert (tokens_of(again, 90, 90), tokens_of(again, 16, 8)) == (4, 6)


def test_one_bound_leaves_the_other(folder):
    adapter = adapter_for(folder, max_pixels=6 * MERGED**2)
    assert (tokens_of(adapter, 90, 90), tokens_of(adapter, 16, 8)) == (4, 2)


@pytest.mark.parametrize("bounds", [{"min_pixels": 4000, "max_pixels": 300}, {"max_pixels": 1}, {"min_pixels": 9999}])
def test_bounds_that_exclude_each_other(folder, bounds):
    with pytest.raises(
        AdapterError, match=r"model\.min_pixels=\d+ and model\.max_pixels=\d+, given or the checkpoint's"
    ):
        adapter_for(folder, **bounds)


def test_an_image_that_is_too_thin_is_refused(folder):
    with pytest.raises(AdapterError, match=r"an image 300 pixels wide and 1 high cannot be shown to .* crop or scale"):
        adapter_for(folder).image_ids([(1, 300)])


def test_positions_run_on_three_axes(folder):
    """By hand: text counts on, an image of h x w tokens spans h and w and moves the text behind it by the larger."""
    adapter = adapter_for(folder).load_model(torch.float32)
    row = adapter.encode(ask("why?", picture(3 * MERGED, 2 * MERGED, 0)))
    places = [i for i, token in enumerate(row.ids) if token in adapter.placeholder_ids]
    prefix = adapter.embed(adapter.collate([row]))
    start, behind = places[0], len(row.ids) - places[-1] - 1
    before, after = list(range(start)), list(range(start + 3, start + 3 + behind))
    time, height, width = prefix.positions[:, 0].tolist()
    assert time == [*before, *[start] * 6, *after]
    assert height == [*before, *(start + y for y in (0, 0, 0, 1, 1, 1)), *after]
    assert width == [*before, *(start + x for x in (0, 1, 2, 0, 1, 2)), *after]
    assert prefix.next_position_B.tolist() == [start + 3 + behind]
