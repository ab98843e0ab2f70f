"""Published data sets whose rows need more than other names, by the key `release` of a card.

A release is `(rows, only, split, notes) -> rows`: raw rows in, rows under the card's columns out. `only` are the
columns by which rows are chosen, `split` is our name of what is read, and `notes` are told what is left out or merged.
"""

from collections.abc import Callable, Mapping

from vlrlcd.data.fields import Rows, chosen
from vlrlcd.data.mathematics import problems
from vlrlcd.data.writing_prompts import prompts

Release = Callable[[Rows, Mapping[str, str], str, list[str]], Rows]


def as_they_are(rows: Rows, only: Mapping[str, str], split: str, notes: list[str]) -> Rows:
    """Rows with our fields."""
    return chosen(rows, only)


RELEASES: dict[str, Release] = {"": as_they_are, "writing_prompts": prompts, "math": problems}
