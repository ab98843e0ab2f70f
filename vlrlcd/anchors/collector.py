"""Asking a teacher for many answers at once, so that no call is wasted and no answer lost."""

import asyncio
import signal
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential
from tqdm import tqdm

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import Ask
from vlrlcd.anchors.budget import Budget, Limits, Spent
from vlrlcd.anchors.ledger import ANSWERED, Ledger, one_call
from vlrlcd.anchors.pace import Pace
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import CONNECTION, Teacher, TeacherFault
from vlrlcd.anchors.turns import Turns
from vlrlcd.anchors.writer import Writer
from vlrlcd.config import AskedConfig
from vlrlcd.errors import UserError

LONGEST_PAUSE_S = 30.0
HOPELESS = 2
"""So many failed connections per request in flight, and nothing else, mean that nobody is there."""
GIVEN_UP_IN_A_ROW = 5
"""So many prompts without an answer and none with one in between end a collection, or `concurrency` if that is more."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
T = TypeVar("T")


class Stopping(Exception):
    """Raised in whoever waits when the collection ends early."""


@dataclass
class Collection:
    """What a collection did.

    Attributes:
        answered: prompts whose answer it stored.
        by_others: prompts that another collector answered meanwhile.
        elsewhere: answers of a batch to what this configuration does not ask; not stored.
        given_up: (place, why) of prompts that have no answer.
        stopped: why it ended before everything was asked; None if it did not.
        interrupted: a signal ended it.
        limited: a limit that the user set ended it.
        sent: requests that count against a limit of calls.
        usd: what counts against a limit of cost; a call that was broken off as much as the dearest.
        ledger: what it took.
    """

    answered: int = 0
    by_others: int = 0
    elsewhere: int = 0
    given_up: list[tuple[str, str]] = field(default_factory=list)
    stopped: str | None = None
    interrupted: bool = False
    limited: bool = False
    sent: int = 0
    usd: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)


class Collector:
    """One collection into one store.

    Args:
        teacher: is asked.
        store: keeps every answer as soon as it is there.
        settings: how fast and how often to ask.
        limits: what it may take.
        prices: of the teacher's tokens; None where nothing costs.
        bar: is moved on with every answer.
    """

    def __init__(
        self,
        teacher: Teacher,
        store: AnchorStore,
        settings: AskedConfig,
        limits: Limits,
        prices: Prices | None,
        bar: tqdm,
    ):
        self.teacher, self.settings, self.prices, self.bar = teacher, settings, prices, bar
        self.done = Collection()
        self._writer = Writer(store, self._store_failed)
        longest = {"prompt_tokens": 0, "completion_tokens": settings.max_tokens}
        self._budget = Budget(limits, (prices.cost(teacher.name, longest) or 0.0) if prices else 0.0)
        self._pace = Pace(settings.requests_per_minute, settings.tokens_per_minute)
        self._stopping = asyncio.Event()
        self._fault: UserError | None = None
        self._in_a_row = self._lost = 0
        self._retry_wait = wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_S)

    async def run(self, asks: Sequence[Ask], interruptible: bool) -> Collection:
        """Asks for all of them, each once, in any order.

        Args:
            asks: what is missing, with different keys.
            interruptible: a signal lets what is in flight come back and be stored.

        Raises:
            UserError: the store failed; what was stored before is kept.
        """
        turns = Turns(asks, self._writer, self.teacher.width, self._stopping, self._by_others, self._wait_for)
        if interruptible:
            self._listen()
        writing = asyncio.create_task(self._writer.run())
        workers = [asyncio.create_task(self._work(turns)) for _ in range(min(self.teacher.width, len(asks)))]
        working = asyncio.gather(*workers)
        try:
            await asyncio.wait({working, writing}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                working.cancel()
            else:
                await working
        finally:
            self._stopping.set()
            await asyncio.gather(working, *workers, return_exceptions=True)
            self._writer.end()
            await self.teacher.close()
            await writing
        if self._fault and self._lost:
            raise UserError(f"{self._fault} {self._lost} answers that had just come in could not be stored.")
        if self._fault:
            raise self._fault
        before = self._budget.limits
        self.done.sent, self.done.usd = self._budget.sent - before.sent, self._budget.usd - before.spent
        return self.done

    async def _work(self, turns: Turns) -> None:
        try:
            while ask := await turns.next():
                await self._settle(ask)
        except Spent as stop:
            self.done.limited = not self._stopping.is_set() or self.done.limited
            self._stop(str(stop))
        except Stopping:
            pass
        except UserError as fault:
            self._store_failed(fault)

    async def _settle(self, ask: Ask) -> None:
        """One prompt answered and stored, or given up."""
        try:
            anchor = await self._anchor(ask)
        except TeacherFault as fault:
            self._give_up(ask, fault)
            await self._writer.release(ask.key)
        else:
            await self._store(anchor)

    async def _store(self, anchor: Anchor) -> None:
        try:
            await self._writer.put(anchor)
        except UserError:
            self._lost += 1
            raise
        self._in_a_row = 0
        self.done.answered += 1
        self.bar.update()

    async def _anchor(self, ask: Ask) -> Anchor:
        tries = AsyncRetrying(
            retry=retry_if_exception(lambda fault: isinstance(fault, TeacherFault) and fault.then == "again"),
            stop=stop_after_attempt(self.settings.attempts),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        return await tries(self._try, ask)

    async def _try(self, ask: Ask) -> Anchor:
        """One call, with its turn waited for and its cost counted."""
        if self._stopping.is_set():
            raise Stopping(self.done.stopped)
        await self._unless_stopped(self._budget.reserve(), self._budget.limits.free)
        thought = ask.thought_tokens(self.settings.max_tokens)
        cost, reply = 0.0, None
        try:
            await self._unless_stopped(self._pace.wait(thought), self._pace.is_free)
            started = perf_counter()
            reply = await self.teacher.answer(ask.example, ask.messages)
            latency_s = perf_counter() - started
            cost = self._count(ANSWERED, reply.usage or None, thought)
        except TeacherFault as fault:
            cost = self._count(fault.outcome, fault.usage, thought)
            self._look_for_a_server(fault)
            raise
        finally:
            self._budget.settle(cost, answered=reply is not None)
        return ask.anchor(reply, self.teacher.name, latency_s, cost)

    def _count(self, outcome: str, usage: Mapping[str, Any] | None, thought: float) -> float | None:
        """Enters a call into the accounts. Returns its cost in USD, None if that is not known."""
        cost = self.prices.cost(self.teacher.name, usage or {}) if self.prices and usage != {} else 0.0
        if not self.teacher.from_files:
            call = one_call(usage, cost)
            for ledger in (self.done.ledger, self._writer.ledger):
                ledger.add(self.teacher.name, outcome, call)
            if usage:
                self._pace.took(thought, sum(usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")))
            self._show()
        return cost

    def _look_for_a_server(self, fault: TeacherFault) -> None:
        """Ends a collection in which nothing but failed connections has come back yet."""
        outcomes = self.done.ledger.outcomes
        if outcomes.keys() == {CONNECTION} and outcomes[CONNECTION] >= HOPELESS * self.teacher.width:
            self._stop(f"{fault.words}, and nothing has come from there yet; is the server running?")

    def _show(self) -> None:
        total = self.done.ledger.total
        shown = {"calls": total.calls, "again": total.calls - self.done.ledger.outcomes.get(ANSWERED, 0)}
        if self.teacher.has_price:
            shown["USD"] = f"{'>' if total.unpriced else ''}{total.cost_usd:.4f}"
        self.bar.set_postfix(shown, refresh=False)

    def _give_up(self, ask: Ask, fault: TeacherFault) -> None:
        """A prompt is given up; what would befall every prompt ends the collection."""
        self.done.given_up.append((ask.example.place, fault.words))
        self._in_a_row += 1
        if fault.then == "stop":
            self._stop(fault.words)
        elif self._in_a_row >= max(GIVEN_UP_IN_A_ROW, self.teacher.width):
            self._stop(f"{self._in_a_row} prompts in a row had no answer, the last because {fault.words}")

    def _pause(self, state: RetryCallState) -> float:
        wanted = getattr(state.outcome.exception(), "after_s", None)
        if wanted is not None and wanted > LONGEST_PAUSE_S:
            self.bar.write(
                f"{self.teacher.name} wants to be left alone for {wanted:,.0f} s: {state.outcome.exception()}"
            )
        return self._retry_wait(state) if wanted is None else wanted

    async def _sleep(self, seconds: float) -> None:
        await self._unless_stopped(asyncio.sleep(seconds))

    async def _unless_stopped(self, waiting: Awaitable[T], is_free: bool = False) -> T:
        """What is waited for; raises Stopping as soon as the collection ends. `is_free` says that nobody waits."""
        if is_free:
            return await waiting
        task, stop = asyncio.ensure_future(waiting), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
            raise Stopping(self.done.stopped)
        return task.result()

    def _store_failed(self, fault: UserError) -> None:
        self._fault = self._fault or fault
        self._stop(str(fault))

    def _by_others(self, answers: int) -> None:
        self.done.by_others += answers
        self.bar.update(answers)

    def _wait_for(self, answers: int) -> None:
        self.bar.set_description(f"wait for {answers} answers to another collector")

    def _stop(self, why: str) -> None:
        self.done.stopped = self.done.stopped or why
        self._stopping.set()

    def _listen(self) -> None:
        """Ctrl-C and SIGTERM let what is in flight come back; the second one ends at once."""
        loop = asyncio.get_running_loop()

        def interrupted() -> None:
            self.done.interrupted = True
            self._stop("interrupted")
            tqdm.write("finishing the calls in flight; once more ends at once")
            for name in SIGNALS:
                loop.remove_signal_handler(name)
                signal.signal(name, signal.SIG_DFL)

        for name in SIGNALS:
            loop.add_signal_handler(name, interrupted)
