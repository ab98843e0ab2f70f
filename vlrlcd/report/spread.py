"""Few of many: spread over the whole, and only as much as fits."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items in their order, the first and the last among them."""
    count = min(count, len(items))
    return [items[round(index * (len(items) - 1) / max(count - 1, 1))] for index in range(count)]


def as_many_as_fit(items: Sequence[T], size: Callable[[T], int], most: int) -> list[T]:
    """Items in their order whose sizes sum to at most `most`; where not all fit, those that stay are spread evenly."""
    bits = max(len(items) - 1, 1).bit_length()
    halving = sorted(range(len(items)), key=lambda place: f"{place:0{bits}b}"[::-1])
    kept, left = [], most
    for place in halving:
        needed = size(items[place])
        if needed <= left:
            kept.append(place)
            left -= needed
    return [items[place] for place in sorted(kept)]
