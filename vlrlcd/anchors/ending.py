"""How a collection ended, for people and for the shell."""

import sys
from typing import Protocol

from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.ledger import spending
from vlrlcd.anchors.prices import Prices
from vlrlcd.config import AskedConfig

SHOWN = 5
"""So many of those without an answer are named."""
INTERRUPTED = 130


class Asked(Protocol):
    """Whoever was asked: by what name, and whether that may cost money."""

    name: str
    has_price: bool


def tell_cost(done: Collection, asked: Asked, settings: AskedConfig, batch: bool = False) -> None:
    """What it took, and why the cost is not whole where it is not."""
    if done.ledger:
        print(f"took {spending(done.ledger.facts(), asked.has_price)}")
    if done.ledger.total.unpriced:
        known = Prices(settings.prices, settings.section).known(asked.name, batch=batch)
        why = "calls told no usage or were broken off" if known else f"{settings.prices} has no price of {asked.name}"
        print(f"the cost is not whole: {why}")


def tell_faults(done: Collection, what: str) -> None:
    """What has no answer and why it stopped, on stderr; `what` was asked, in the plural."""
    if done.given_up:
        print(f"{len(done.given_up):,} {what} had no answer, the first of them:", file=sys.stderr)
    for place, why in done.given_up[:SHOWN]:
        print(f"  {place}: {why}", file=sys.stderr)
    if done.stopped:
        print(f"stopped: {done.stopped}", file=sys.stderr)


def goes_on(done: Collection) -> bool:
    """Whether the same command may get further."""
    return done.interrupted or done.limited or not done.stopped


def exit_code(done: Collection) -> int:
    """0 where all was answered or a limit ended it."""
    if done.interrupted:
        return INTERRUPTED
    return int(bool(done.given_up or done.stopped and not done.limited))
