"""Which prompt is asked for next, with other collectors at work on the same store."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from vlrlcd.anchors.asks import Ask
from vlrlcd.anchors.claims import LEASE_S
from vlrlcd.anchors.writer import Writer

CHUNK = 32
"""Prompts that are claimed at once, at least."""
POLL_S = 0.5


class Turns:
    """Hands out each prompt once: those that nobody has answered first, then those that another collector left.

    Args:
        asks: with different keys.
        writer: claims for this collection.
        chunk: how many are claimed at once.
        stopping: set when the collection ends early.
        by_others: told of answers that another collector stored, by number.
        waiting: told for how many answers of other collectors it waits.
    """

    def __init__(
        self,
        asks: Sequence[Ask],
        writer: Writer,
        chunk: int,
        stopping: asyncio.Event,
        by_others: Callable[[int], None],
        waiting: Callable[[int], None],
    ):
        self._todo, self._ready, self._elsewhere = deque(asks), deque[Ask](), deque[Ask]()
        self._writer, self._chunk, self._stopping = writer, max(CHUNK, chunk), stopping
        self._by_others, self._waiting = by_others, waiting
        self._choosing = asyncio.Lock()
        self._claimed_at = 0.0

    async def next(self) -> Ask | None:
        """The next prompt; None if there is none left or the collection ends. Raises UserError if the store fails."""
        async with self._choosing:
            # while this process or machine slept, others may have taken them over
            if self._ready and time.time() - self._claimed_at > LEASE_S / 2:
                self._todo.extendleft(reversed(self._ready))
                self._ready.clear()
            while not self._ready and (self._todo or self._elsewhere) and not self._stopping.is_set():
                await self._claim(self._todo or self._elsewhere)
            return self._ready.popleft() if self._ready and not self._stopping.is_set() else None

    async def _claim(self, source: deque[Ask]) -> None:
        if source is self._elsewhere:
            self._waiting(len(source))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), POLL_S)
        chunk = {ask.key: ask for ask in (source.popleft() for _ in range(min(len(source), self._chunk)))}
        self._claimed_at = time.time()
        mine, taken = await self._writer.claim(chunk)
        self._ready.extend(ask for key, ask in chunk.items() if key in mine)
        self._elsewhere.extend(ask for key, ask in chunk.items() if key in taken)
        self._by_others(len(chunk) - len(mine) - len(taken))
