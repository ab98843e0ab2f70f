"""Answers to disk while others are on their way: whatever has come in goes into one transaction."""

import asyncio
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
T = TypeVar("T")


class Writer:
    """The one that writes to a store during a collection, in a thread of its own."""

    def __init__(self, store: AnchorStore):
        self.store, self.collector = store, new_collector()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Anchor, asyncio.Future[None]]] = []
        self._ledger = Ledger()
        self._wake = asyncio.Event()

    async def put(self, anchor: Anchor) -> None:
        """Returns once the anchor is on disk. Raises UserError if the store fails."""
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

    async def run(self) -> None:
        """Writes until it is cancelled; renews the lease on what is claimed."""
        loop = asyncio.get_running_loop()
        lease_until = loop.time()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FLUSH_S)
            self._wake.clear()
            await self._flush()
            if loop.time() > lease_until:
                # a store that fails says so at the next answer
                with suppress(UserError):
                    await self._in_thread(self._renew)
                lease_until = loop.time() + LEASE_S / 4

    async def close(self) -> None:
        """Writes what is left and frees the claims. Raises UserError if the store fails."""
        try:
            await self._flush(closing=True)
            await self._in_thread(self._leave)
        finally:
            self._thread.shutdown()

    async def _flush(self, closing: bool = False) -> None:
        waiting, self._waiting = self._waiting, []
        ledger, self._ledger = self._ledger, Ledger()
        if not waiting and not ledger:
            return
        anchors = [anchor for anchor, _ in waiting]
        try:
            await self._in_thread(lambda: self.store.put(*anchors, ledgers={self.collector: ledger}))
        # whatever it is, whoever waits must hear of it
        except Exception as fault:
            self._ledger.merge(ledger)
            for _, stored in waiting:
                stored.set_exception(fault)
            if closing:
                raise
        else:
            for _, stored in waiting:
                stored.set_result(None)

    def _renew(self) -> None:
        with self.store.claims() as claims:
            claims.seen(self.collector)

    def _leave(self) -> None:
        with self.store.claims() as claims:
            claims.leave(self.collector)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
