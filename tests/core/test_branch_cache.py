"""The cache of branches beside transformers' own."""

import torch
from transformers import DynamicCache

from vlrlcd.branch_cache import BranchCache


def states(length: int, D: int) -> torch.Tensor:
    return torch.randn(2, 3, length, D)


def test_it_shows_what_a_dynamic_cache_shows():
    ours, theirs = BranchCache(), DynamicCache()
    for length in (5, 1, 1, 4, 1):
        for layer in range(2):
            # values may be narrower than keys
            written = states(length, 8), states(length, 4)
            for one, other in zip(ours.update(*written, layer), theirs.update(*written, layer), strict=True):
                assert torch.equal(one, other)
    assert ours.get_seq_length() == theirs.get_seq_length() == 12 <= ours.capacity
    ours.select(torch.tensor([1]))
    assert torch.equal(ours.layers[0].keys[:, :, :12], theirs.layers[0].keys[1:])


def test_prefixes_are_copied_to_their_places_and_steps_written_to_their_slots():
    read, cache = BranchCache(), BranchCache()
    keys, values = states(3, 8), states(3, 4)
    read.update(keys, values, 0)
    cache.copy_prefixes(read, torch.tensor([3, 0]), count=4, start=2)
    cache.reserve(9)
    assert torch.equal(cache.layers[0].keys[3, :, 2:5], keys[0])
    assert torch.equal(cache.layers[0].values[0, :, 2:5], values[1])
    cache.write_to(torch.arange(4)[:, None], torch.tensor([[5, 6], [5, 6], [5, 6], [7, 8]]))
    new = torch.randn(4, 3, 2, 8), torch.randn(4, 3, 2, 4)
    shown, _ = cache.update(*new, 0)
    assert shown.shape[2] == 9
    assert torch.equal(shown[3, :, 7:9], new[0][3]) and torch.equal(shown[1, :, 5:7], new[0][1])
