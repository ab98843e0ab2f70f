"""Prompts are encoded once while they fit, and ahead of the step that needs them."""

import threading
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_adapters import PromptRow
from vlrlcd.errors import UserError
from vlrlcd.loader import RowCache, groups_ahead


def row(pixels: int) -> PromptRow:
    return PromptRow((1, 2), {"pixel_values": torch.zeros(pixels)}, ())


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 300))
def test_the_cache_gives_what_was_made_and_keeps_to_its_limit(names, limit):
    cache, made = RowCache(limit), {}
    for name in names:
        found = cache.get(str(name), lambda name=name: made.setdefault(name, row(name)))
        assert found.images["pixel_values"].numel() == name
        assert cache.bytes <= limit


def test_the_cache_forgets_what_was_used_longest_ago():
    cache, made = RowCache(2 * (2 * 36 + 40)), []
    for name in "abacab":
        cache.get(name, lambda name=name: made.append(name) or row(10))
    # c drives out b, which was used before a
    assert made == ["a", "b", "c", "b"]


def test_the_next_step_is_encoded_while_this_one_is_learned_from():
    begun = [threading.Event() for _ in range(3)]

    def groups(step):
        begun[step].set()
        return [step]

    ahead = groups_ahead(SimpleNamespace(groups=groups), range(3))
    assert next(ahead) == [0] and begun[1].wait(10) and not begun[2].is_set()
    assert list(ahead) == [[1], [2]]
    assert list(groups_ahead(SimpleNamespace(groups=groups), range(2, 2))) == []


def test_what_cannot_be_read_is_said_at_its_own_step():
    def groups(step):
        if step == 1:
            raise UserError("b.jpg cannot be decoded")
        return [step]

    ahead = groups_ahead(SimpleNamespace(groups=groups), range(3))
    assert next(ahead) == [0]
    with pytest.raises(UserError, match="b.jpg"):
        next(ahead)
