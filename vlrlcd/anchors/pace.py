"""Requests and tokens per minute."""

import asyncio
import time

MINUTE_S = 60.0


class Rate:
    """Lets through so much per minute, evenly; what turns out larger than thought delays those that follow."""

    def __init__(self, per_minute: float):
        self._per_s = per_minute / MINUTE_S
        self._free_at = 0.0

    async def wait(self, amount: float) -> None:
        """Waits for the turn of this amount."""
        now = time.monotonic()
        turn = max(now, self._free_at)
        self._free_at = turn + amount / self._per_s
        if turn > now:
            await asyncio.sleep(turn - now)

    def correct(self, difference: float) -> None:
        """What was let through was so much more (or less) than said."""
        self._free_at += difference / self._per_s


class Pace:
    """The limits of an endpoint; 0 is none."""

    def __init__(self, requests_per_minute: float, tokens_per_minute: float):
        self._requests = Rate(requests_per_minute) if requests_per_minute else None
        self._tokens = Rate(tokens_per_minute) if tokens_per_minute else None

    @property
    def is_free(self) -> bool:
        """Whether nobody has to wait."""
        return not (self._requests or self._tokens)

    async def wait(self, tokens: float) -> None:
        """Waits for a call's turn; `tokens` is what it is thought to take."""
        if self._requests:
            await self._requests.wait(1)
        if self._tokens:
            await self._tokens.wait(tokens)

    def took(self, thought: float, tokens: float) -> None:
        """Tells what a call that was thought to take so much really took."""
        if self._tokens:
            self._tokens.correct(tokens - thought)
