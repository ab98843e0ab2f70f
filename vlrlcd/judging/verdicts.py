"""Games between two answers, what a judge says of them, and the score of a pair."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlrlcd.data.example import Example
from vlrlcd.judging.pairs import Pair

Letter = Literal["A", "B", "C"]
"""A is the answer shown first, B the second, C a tie."""
MARKER = re.compile(r"\[\[([ABC])\]\]")
ORDERS = ("answer", "reference")
"""What is shown first in the first and in the second game of a pair."""
WON = {"A": 1.0, "B": 0.0, "C": 0.5, None: 0.5}


@dataclass(frozen=True)
class Game:
    """Two answers in the order in which the judge sees them."""

    example: Example
    first: str
    second: str

    @property
    def names(self) -> tuple[str, str, str]:
        """What tells it from other games of one split."""
        return self.example.id, self.first, self.second


@dataclass(frozen=True)
class Verdict:
    """What a judge said of a game.

    Attributes:
        said: its words; a second text is what it said when asked for the verdict only.
        letter: None where no verdict can be read; it counts as a tie, and is counted as unparsable.
    """

    said: tuple[str, ...]
    letter: Letter | None


UNASKED = Verdict((), "C")
"""Of both games of a pair of equal texts."""


@dataclass(frozen=True)
class Judged:
    """A pair with the verdicts of its two games, the student's answer shown first in the first of them."""

    pair: Pair
    verdicts: tuple[Verdict, Verdict]

    @property
    def letters(self) -> tuple[Letter | None, Letter | None]:
        return self.verdicts[0].letter, self.verdicts[1].letter

    @property
    def won(self) -> tuple[float, float]:
        """What the student has of each game: 1, 0.5 or 0."""
        first, second = self.letters
        return WON[first], 1 - WON[second]

    @property
    def score(self) -> float:
        """Their mean: 0, 0.25, 0.5, 0.75 or 1."""
        return sum(self.won) / 2


def games(pairs: Sequence[Pair]) -> list[Game]:
    """Both games of every pair, one after the other; a pair of equal texts has none."""
    return [
        game
        for pair in pairs
        if not pair.equal
        for game in (
            Game(pair.example, pair.answer, pair.reference),
            Game(pair.example, pair.reference, pair.answer),
        )
    ]


def judged(pairs: Sequence[Pair], verdicts: Sequence[Verdict | None]) -> list[Judged | None]:
    """The pairs with the verdicts of `games(pairs)`; None where one of the two is missing."""
    played = iter(list(zip(verdicts[::2], verdicts[1::2], strict=True)))
    both = [(UNASKED, UNASKED) if pair.equal else next(played) for pair in pairs]
    return [Judged(pair, two) if all(two) else None for pair, two in zip(pairs, both, strict=True)]


def letter(text: str) -> Letter | None:
    """The verdict of a text that holds exactly one kind of marker, [[A]], [[B]] or [[C]]; None of any other."""
    found = set(MARKER.findall(text))
    return found.pop() if len(found) == 1 else None
