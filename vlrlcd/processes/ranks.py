"""What the processes of a run tell each other, over gloo and beside the tensors that DeepSpeed exchanges.

Everything here but `rank`, `count` and `first` is collective: every process calls it, in the same order. A single
process talks to nobody.
"""

import math
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from itertools import chain, zip_longest
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")


def count() -> int:
    """How many processes train together."""
    return met.get_world_size() if (met := _met()) else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return met.get_rank() if (met := _met()) else 0


def first() -> bool:
    """Whether this is the process that writes files and speaks to the user."""
    return rank() == 0


def once(work: Callable[[], T]) -> T:
    """What `work` gives in the first process, in all of them; they wait for it, and it does not wait for them."""
    told = [work() if first() else None]
    if count() > 1:
        _met().broadcast_object_list(told, src=0, group=_group())
    return told[0]


def own_share(items: Sequence[T]) -> tuple[list[T], int]:
    """(this process's items, how many of them count), dealt out in turn.

    Every process gets the same number, so that all run the same passes: short shares are filled up with the first item,
    which does not count there.
    """
    own = list(items[rank() :: count()])
    missing = math.ceil(len(items) / count()) - len(own)
    return own + list(items[:1]) * missing, len(own)


def collected(own: Sequence[T]) -> list[T]:
    """The results of all processes in the order of the items that `own_share` dealt out, without the fillers'."""
    if count() == 1:
        return list(own)
    nothing, shares = object(), [None] * count()
    _met().all_gather_object(shares, list(own), group=_group())
    return [item for item in chain(*zip_longest(*shares, fillvalue=nothing)) if item is not nothing]


def asked_once(own: Sequence[T], work: Callable[[list[T]], list[R]]) -> list[R]:
    """What `work` gives in the first process for the items of all, each process its own items' share of it."""
    if count() == 1:
        return work(list(own))
    shares: list[list[T]] = [[] for _ in range(count())]
    _met().all_gather_object(shares, list(own), group=_group())
    found = once(lambda: work(list(chain(*shares))))
    start = sum(len(share) for share in shares[: rank()])
    return found[start : start + len(own)]


def summed(value: float) -> float:
    """The sum over all processes, in float64."""
    return _reduced(value, "SUM")


def largest(value: float) -> float:
    """The largest value of all processes."""
    return _reduced(value, "MAX")


def any_of(flag: bool) -> bool:
    """Whether the flag is up in any process."""
    return bool(largest(float(flag)))


def _reduced(value: float, operation: str) -> float:
    if count() == 1:
        return value
    import torch

    told = torch.tensor([float(value)], dtype=torch.float64)
    _met().all_reduce(told, getattr(_met().ReduceOp, operation), group=_group())
    return told.item()


def _met():
    """torch.distributed, once the processes have met; None before, and wherever torch is not even imported."""
    # who only asks an endpoint is one process, and starts in a second without torch
    distributed = sys.modules.get("torch.distributed")
    return distributed if distributed and distributed.is_initialized() else None


@cache
def _group():
    """A gloo group of all processes: it works on the CPU, whatever carries the gradients."""
    # the first process may check data for hours while the others wait; deaths are noticed otherwise
    return _met().new_group(backend="gloo", timeout=timedelta(days=1))
