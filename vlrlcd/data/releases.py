"""Published data sets whose rows need more than other names, by the key `release` of a card."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vlrlcd.data.fields import Rows, chosen
from vlrlcd.data.mathematics import problems
from vlrlcd.data.writing_prompts import prompts, with_plain_stories


@dataclass(frozen=True)
class Release:
    """Attributes:
    rows: (raw rows, `only` of the card, our name of the split, notes) to rows under the card's columns; notes are told
        what is left out or merged.
    finish: the part of the work on a row that its question does not need.
    """

    rows: Callable[[Rows, Mapping[str, str], str, list[str]], Rows]
    finish: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row


RELEASES = {
    "": Release(lambda rows, only, split, notes: chosen(rows, only)),
    "writing_prompts": Release(prompts, with_plain_stories),
    "math": Release(problems),
}
