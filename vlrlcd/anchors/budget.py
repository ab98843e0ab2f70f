"""How many calls, how much money, how fast."""

import asyncio
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

MINUTE_S = 60.0


class Spent(Exception):
    """A limit of this collection is reached; says which."""


@dataclass(frozen=True)
class Limits:
    """What one collection may take; None is no limit. Calls count every request, retries too."""

    calls: int | None = None
    usd: float | None = None


class Budget:
    """Keeps a collection within its limits.

    A call is let through only if all calls in flight and this one may cost as much as the dearest so far. Until the
    first one has come back, nothing else is sent, so the limit is passed at most by what calls get dearer.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self.sent, self.usd = 0, 0.0
        self._in_flight, self._dearest, self._blind = 0, None, False
        self._settled = asyncio.Event()

    async def reserve(self) -> None:
        """Waits until another call is within the limits. Raises Spent if none will be."""
        while not self._fits():
            self._settled.clear()
            await self._settled.wait()
        if self.limits.calls is not None and self.sent >= self.limits.calls:
            raise Spent(f"--max-calls={self.limits.calls} is reached")
        self._in_flight += 1
        self.sent += 1

    def settle(self, usd: float | None, answered: bool) -> None:
        """A reserved call came back and cost so much; None if that is not known, as of most calls without an answer."""
        self._in_flight -= 1
        self._blind |= answered and usd is None
        if usd is not None:
            self.usd += usd
            self._dearest = max(self._dearest or 0.0, usd)
        self._settled.set()

    def _fits(self) -> bool:
        if self.limits.usd is None:
            return True
        if self._blind:
            raise Spent("the server's answers do not tell their usage, so --max-usd cannot be kept")
        if self._in_flight and self._dearest is None:
            return False
        if self.usd + (self._in_flight + 1) * (self._dearest or 0.0) <= self.limits.usd:
            return True
        if not self._in_flight:
            raise Spent(f"--max-usd={self.limits.usd:g} leaves nothing for another call, {self.usd:.4f} are spent")
        return False


class Pace:
    """Requests and tokens per minute, spread evenly; 0 is no limit."""

    def __init__(self, requests_per_minute: float, tokens_per_minute: float):
        self._requests = _spread(requests_per_minute, 1)
        self._tokens_per_minute, self._tokens = tokens_per_minute, None
        self._seen, self._used = 0, 0

    def used(self, tokens: int) -> None:
        """Tells what a call took, for the estimate of the next ones."""
        self._seen += 1
        self._used += tokens

    async def wait(self, tokens: int) -> None:
        """Waits for a call's turn.

        Args:
            tokens: what it takes at most, until calls that came back say what one takes on average.
        """
        if self._requests:
            await self._requests.acquire()
        if self._tokens_per_minute:
            expected = min(self._used / self._seen if self._seen else tokens, self._tokens_per_minute)
            if not self._tokens or self._tokens.max_rate < expected:
                self._tokens = _spread(self._tokens_per_minute, expected)
            await self._tokens.acquire(expected)


def _spread(per_minute: float, at_once: float) -> AsyncLimiter | None:
    """A limiter that lets through at most one call, or a second's worth, in a burst."""
    if not per_minute:
        return None
    burst = max(at_once, per_minute / MINUTE_S)
    return AsyncLimiter(burst, MINUTE_S * burst / per_minute)
