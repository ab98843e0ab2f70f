"""How many calls and how much money one collection may take."""

import asyncio
from dataclasses import dataclass, replace
from typing import Self

from vlrlcd.errors import UserError


class Spent(Exception):
    """A limit of this collection is reached; says which."""


@dataclass(frozen=True)
class Limits:
    """What one command may take; None is no limit. Calls count every request, retries too.

    `sent` and `spent` are what an earlier collection of the same command took of it, in calls and USD.

    Raises:
        UserError: a limit that is not above 0.
    """

    calls: int | None = None
    usd: float | None = None
    sent: int = 0
    spent: float = 0.0

    def __post_init__(self) -> None:
        for flag, value in (("--max-calls", self.calls), ("--max-usd", self.usd)):
            if value is not None and value <= 0:
                raise UserError(f"{flag}={value} must be above 0.")

    def after(self, sent: int, spent: float) -> Self:
        """The same limits for a collection that follows another one."""
        return replace(self, sent=self.sent + sent, spent=self.spent + spent)

    @property
    def free(self) -> bool:
        """Nothing is limited."""
        return self.calls is None and self.usd is None


class Budget:
    """Keeps a collection within its limits.

    A call is let through only if all calls in flight and this one may cost as much as the dearest so far. Until the
    first one has come back, nothing else is sent. A call that was broken off may have been answered and billed all the
    same: it counts as much as the dearest.

    Args:
        limits: of this collection.
        longest: USD of the longest answer that may be asked for: the dearest before there is one.
    """

    def __init__(self, limits: Limits, longest: float = 0.0):
        self.limits = limits
        self.sent, self.usd = limits.sent, limits.spent
        self._in_flight, self._dearest, self._longest, self._blind = 0, None, longest, False
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
        """A reserved call came back and cost so much; None if nobody told."""
        self._in_flight -= 1
        self._blind |= answered and usd is None
        if usd is None:
            self.usd += self._longest if self._dearest is None else self._dearest
        else:
            self.usd += usd
            self._dearest = max(self._dearest or 0.0, usd) if answered or usd else self._dearest
        self._settled.set()

    def _fits(self) -> bool:
        if self.limits.usd is None:
            return True
        if self._blind:
            raise Spent("the server's answers do not tell their usage, so --max-usd cannot be kept")
        if self._in_flight and self._dearest is None:
            return False
        dearest = self._longest if self._dearest is None else self._dearest
        if self.usd + (self._in_flight + 1) * dearest <= self.limits.usd:
            return True
        if not self._in_flight:
            raise Spent(
                f"--max-usd={self.limits.usd:g} leaves nothing for another call, {self.usd:.4f} are spent or may be"
            )
        return False
