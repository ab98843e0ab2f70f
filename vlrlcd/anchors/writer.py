"""Answers to disk while others are on their way: whatever has come in goes into one transaction."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.claims import LEASE_S, new_collector
from vlrlcd.anchors.ledger import Ledger
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.errors import UserError

FLUSH_S = 1.0
"""How long the account of calls that had no answer may lie in memory."""
RESCUE_S = 5.0
"""How long answers that a failing store did not take are offered to it again."""
T = TypeVar("T")


class Writer:
    """The one that writes to a store during a collection, in a thread of its own.

    Args:
        store: takes the answers.
        failed: told when it does not, so that no more are asked for.
    """

    def __init__(self, store: AnchorStore, failed: Callable[[UserError], None]):
        self.store, self.collector = store, new_collector()
        self._failed, self._failing_since = failed, 0.0
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Anchor, asyncio.Future[None]]] = []
        self._ledger = Ledger()
        self._wake = asyncio.Event()
        self._ending = False

    async def put(self, anchor: Anchor) -> None:
        """Returns once the anchor is on disk. Raises UserError if the store fails for good."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((anchor, stored))
        self._wake.set()
        await stored

    @property
    def ledger(self) -> Ledger:
        """What is still to be added to the store's account; count calls into it."""
        return self._ledger

    async def claim(self, keys: Iterable[str]) -> tuple[set[str], set[str]]:
        """Of the keys: those that this collection may ask for now, and those that another one is asking for."""
        wanted = set(keys)

        def claimed() -> tuple[set[str], set[str]]:
            with self.store.claims() as claims:
                claims.seen(self.collector)
                mine = claims.claim(self.collector, wanted)
            return mine, self.store.missing(wanted - mine)

        return await self._in_thread(claimed)

    async def release(self, key: str) -> None:
        """Another collection may ask for it, or it would wait for this one's answer for ever."""

        def released() -> None:
            with self.store.claims() as claims:
                claims.free([key])

        await self._in_thread(released)

    async def run(self) -> None:
        """Writes until `end`, renews the lease on what is claimed, and frees the claims at the end."""
        renewed = time.time()
        while not self._ending or self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FLUSH_S)
            self._wake.clear()
            await self._flush()
            if time.time() - renewed > LEASE_S / 4:
                # a store that fails says so at the next answer
                with suppress(UserError):
                    await self._in_thread(self._renew)
                renewed = time.time()
        try:
            await self._flush()
            await self._in_thread(self._leave)
        except UserError as fault:
            self._failed(fault)
        finally:
            self._thread.shutdown()

    def end(self) -> None:
        """No more answers will come."""
        self._ending = True
        self._wake.set()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        ledger, self._ledger = self._ledger, Ledger()
        if not waiting and not ledger:
            return
        anchors = [anchor for anchor, _ in waiting]
        try:
            await self._in_thread(lambda: self.store.put(*anchors, ledgers={self.collector: ledger}))
        except UserError as fault:
            self._ledger.merge(ledger)
            self._offer_again(waiting, fault)
        else:
            self._failing_since = 0.0
            for _, stored in waiting:
                stored.set_result(None)

    def _offer_again(self, waiting: list[tuple[Anchor, asyncio.Future[None]]], fault: UserError) -> None:
        self._failed(fault)
        self._failing_since = self._failing_since or time.monotonic()
        if time.monotonic() - self._failing_since < RESCUE_S:
            self._waiting[:0] = waiting
        else:
            for _, stored in waiting:
                stored.set_exception(fault)

    def _renew(self) -> None:
        with self.store.claims() as claims:
            claims.seen(self.collector)

    def _leave(self) -> None:
        with self.store.claims() as claims:
            claims.leave(self.collector)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
