"""Asking the teacher for what is missing, and handing stored anchors to training."""

import asyncio
from collections.abc import Container, Sequence
from pathlib import Path

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import Ask
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.collector import Collection, Collector
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import Teacher
from vlrlcd.config import AskedConfig
from vlrlcd.errors import UserError
from vlrlcd.progress import progress


def missing(wanted: Sequence[Ask], store: AnchorStore) -> list[Ask]:
    """What has no answer yet; rows that ask the same share one."""
    keys = store.missing(ask.key for ask in wanted)
    return list({ask.key: ask for ask in wanted if ask.key in keys}.values())


def collect(
    wanted: Sequence[Ask],
    teacher: Teacher,
    store: AnchorStore,
    settings: AskedConfig,
    limits: Limits | None = None,
    interruptible: bool = False,
) -> Collection:
    """Asks the teacher for the anchors that the store lacks; each is stored as soon as it is there.

    Args:
        wanted: what is wanted, as of `vlrlcd.anchors.asks.asks`.
        teacher: whom to ask.
        store: where answers lie and go.
        settings: how fast and how often to ask, and where prices stand.
        limits: what it may take.
        interruptible: a signal lets what is in flight come back and be stored.

    Raises:
        UserError: key, address or prices are missing where they are needed, or the store fails.
    """
    todo = missing(wanted, store)
    limits = limits or Limits()
    if not todo:
        return Collection()
    teacher.check()
    prices = Prices(settings.prices, settings.section) if teacher.has_price else None
    if limits.usd is not None and not prices:
        raise UserError(f"--max-usd means nothing for {teacher.name}, which costs no money: leave it out.")
    if limits.usd is not None and not prices.known(teacher.name):
        raise UserError(
            f"--max-usd cannot be kept: {settings.prices} has no price of {teacher.name}; add input_cost_per_token and "
            "output_cost_per_token, or limit the calls with --max-calls."
        )

    async def asked() -> Collection:
        with progress(desc=f"ask {teacher.name}", unit="answer", total=len(todo), delay=1) as bar:
            collector = Collector(teacher, store, settings, limits, prices, bar)
            return await collector.run(todo, interruptible)

    return asyncio.run(asked())


def load_anchors(wanted: Sequence[Ask], teacher: Teacher, store: AnchorStore, command: str) -> dict[str, Anchor]:
    """The stored anchor of every example, by its id; the teacher is not asked.

    Args:
        wanted: one ask per example.
        teacher: whose answers they are.
        store: where they lie.
        command: what collects them, for the error.

    Raises:
        UserError: an example has no anchor; names the first such row, their number and the command.
    """
    anchors = stored_anchors(wanted, store)
    if any(ask.example.id not in anchors for ask in wanted):
        raise UserError(lacking(wanted, anchors, teacher, store.path, command))
    return anchors


def stored_anchors(wanted: Sequence[Ask], store: AnchorStore) -> dict[str, Anchor]:
    """The stored anchors of those examples that have one, by example id."""
    found = ((ask, store.get(ask.key)) for ask in wanted)
    return {ask.example.id: anchor for ask, anchor in found if anchor}


def lacking(wanted: Sequence[Ask], anchors: Container[str], teacher: Teacher, path: Path, command: str) -> str:
    """A sentence that names the first row without an anchor, how many there are, and what collects them."""
    without = [ask for ask in wanted if ask.example.id not in anchors]
    return (
        f"{without[0].example.place} has no anchor from {teacher.name} in {path} "
        f"({len(without)} of {len(wanted)} prompts have none): run `{command}` first."
    )
