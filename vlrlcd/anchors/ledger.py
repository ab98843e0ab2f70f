"""What asking took: calls by outcome, tokens, money."""

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

ANSWERED = "answered"
DETAILS = {"cached_tokens": "prompt_tokens_details", "image_tokens": "prompt_tokens_details"}


@dataclass
class Account:
    """Sums over the calls of one outcome.

    Attributes:
        calls: requests that were sent, whatever came back.
        prompt_tokens: as the teacher's `usage` counts them, here and below; cached and image tokens are among them.
        cached_tokens: read from the teacher's own cache.
        image_tokens: taken by images.
        completion_tokens: of the answers.
        cost_usd: of the calls whose price is known.
        unpriced: calls that cost something which is not known; those that were broken off are among them.
    """

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    image_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in SUMS))


SUMS = [item.name for item in fields(Account)]
ROW = ", ".join("?" * (3 + len(SUMS)))
"""A row of the table: collector, model, outcome, sums."""


@dataclass
class Ledger:
    """Accounts by (model, outcome)."""

    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.accounts)

    def count(self, model: str, outcome: str, usage: Mapping[str, Any] | None, cost_usd: float | None) -> None:
        """Adds one call; `outcome` is `answered`, or what went wrong in a word or two. More as in `one_call`."""
        self.add(model, outcome, one_call(usage, cost_usd))

    def add(self, model: str, outcome: str, account: Account) -> None:
        """Adds an account to the one of the same model and outcome."""
        self.accounts[model, outcome] = self.accounts.get((model, outcome), Account()) + account

    def merge(self, other: Self) -> None:
        """Adds all accounts of another ledger."""
        for (model, outcome), account in other.accounts.items():
            self.add(model, outcome, account)

    @property
    def total(self) -> Account:
        """The sums over all calls."""
        return sum(self.accounts.values(), Account())

    @property
    def outcomes(self) -> dict[str, int]:
        """Calls by outcome, answers first, then the most frequent."""
        found: dict[str, int] = {}
        for (_, outcome), account in self.accounts.items():
            found[outcome] = found.get(outcome, 0) + account.calls
        return dict(sorted(found.items(), key=lambda item: (item[0] != ANSWERED, -item[1], item[0])))

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, for a run's record."""
        return {"outcomes": self.outcomes, **asdict(self.total)}

    def add_to(self, connection: sqlite3.Connection, collector: str) -> None:
        """Adds the accounts to the table of an anchor store, in the caller's transaction."""
        sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
        query = (
            f"INSERT INTO ledger (collector, model, outcome, {', '.join(SUMS)}) VALUES ({ROW}) "
            f"ON CONFLICT (collector, model, outcome) DO UPDATE SET {sums}"
        )
        rows = [(collector, *names, *vars(account).values()) for names, account in self.accounts.items()]
        connection.executemany(query, rows)

    @classmethod
    def read(cls, connection: sqlite3.Connection, model: str | None = None) -> Self:
        """The table of an anchor store, summed over the collections; of one model or of all."""
        ledger = cls()
        sums = ", ".join(f"sum({name})" for name in SUMS)
        query = f"SELECT model, outcome, {sums} FROM ledger WHERE ? IN ('', model) GROUP BY model, outcome"
        for name, outcome, *values in connection.execute(query, (model or "",)):
            ledger.add(name, outcome, Account(*values))
        return ledger


def one_call(usage: Mapping[str, Any] | None, cost_usd: float | None) -> Account:
    """The account of one call.

    Args:
        usage: as the server reported it; empty or None where it did not.
        cost_usd: None where that is not known.
    """
    used = {name: _tokens(usage or {}, name) for name in SUMS if name.endswith("_tokens")}
    return Account(calls=1, cost_usd=cost_usd or 0.0, unpriced=int(cost_usd is None), **used)


def spending(facts: Mapping[str, Any], has_price: bool = True) -> str:
    """`Ledger.facts` in one line for people; a price that is missing is said, not guessed."""
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in facts["outcomes"].items())
    used = (
        f"{facts['prompt_tokens']:,} prompt tokens ({facts['cached_tokens']:,} cached, {facts['image_tokens']:,} image)"
    )
    words = f"{facts['calls']:,} calls ({outcomes}), {used}, {facts['completion_tokens']:,} completion tokens"
    if not has_price:
        return words
    unpriced = f", and {facts['unpriced']:,} calls whose cost is not known" if facts["unpriced"] else ""
    return f"{words}, {facts['cost_usd']:.4f} USD{unpriced}"


def _tokens(usage: Mapping[str, Any], name: str) -> int:
    found = usage.get(DETAILS[name]) if name in DETAILS else usage
    count = found.get(name) if isinstance(found, Mapping) else None
    return count if isinstance(count, int) else 0
