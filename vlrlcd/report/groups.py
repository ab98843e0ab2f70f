"""Which groups of stage II the page shows, and how many there are of each kind."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from vlrlcd.report.lines import Row, rows, rows_at
from vlrlcd.report.read import Run, mapping, number, sequence
from vlrlcd.report.spread import evenly

FILE = "samples.jsonl"
SPREAD, OF_EACH_KIND = 160, 30
"""So many groups evenly over the run, and so many more of each kind: the rare ones are what one looks for."""
KINDS = {
    "mixed": "Right and wrong",
    "right": "All right",
    "wrong": "All wrong",
    "misled": "Favourite is wrong",
    "tied": "Tied",
    "cut": "Cut off",
}


@dataclass(frozen=True)
class Choice:
    """Chosen rows of `samples.jsonl` with their kinds, and over all groups how many there are in all and by kind."""

    chosen: list[tuple[Row, list[str]]]
    groups: int
    by_kind: Counter[str]


def choose(run: Run, notes: list[str]) -> Choice:
    """Groups from the first step to the last; one that a resumed run sampled again counts once, as sampled last."""
    path = run.folder / FILE
    found: dict[tuple[Any, Any], tuple[int, list[str]]] = {}
    for offset, row in rows(path, notes):
        if row.get("stage") == "stage2":
            found[str(row.get("step")), str(row.get("id"))] = (offset, kinds(row))
    places = list(found.values())
    wanted = set(evenly(range(len(places)), SPREAD))
    for kind in KINDS:
        wanted.update(evenly([place for place, (_, of) in enumerate(places) if kind in of], OF_EACH_KIND))
    shown = [places[place] for place in sorted(wanted)]
    read = rows_at(path, [offset for offset, _ in shown]) if shown else []
    return Choice(
        chosen=[(row, of) for row, (_, of) in zip(read, shown, strict=True) if row],
        groups=len(places),
        by_kind=Counter(kind for _, of in places for kind in of),
    )


def kinds(row: Row) -> list[str]:
    """The filters that a group falls under, in the order of `KINDS`."""
    candidates = [mapping(one) for one in sequence(row.get("candidates"))]
    marks = [candidate.get("correct") for candidate in candidates]
    tied = _tied(row, candidates)
    favourite = max(candidates, key=weight, default={})
    holds = {
        "mixed": True in marks and False in marks,
        "right": bool(marks) and all(mark is True for mark in marks),
        "wrong": bool(marks) and all(mark is False for mark in marks),
        "misled": not tied and favourite.get("correct") is False,
        "tied": tied,
        "cut": any(candidate.get("truncated") for candidate in candidates),
    }
    return [kind for kind in KINDS if holds[kind]]


def weight(candidate: Row) -> float:
    """D, the ranking's weight; 0 where it is not known."""
    return number(candidate.get("D")) or 0.0


def _tied(row: Row, candidates: list[Row]) -> bool:
    rankable = row.get("rankable")
    if isinstance(rankable, bool):
        return not rankable
    return len({number(candidate.get("r")) for candidate in candidates}) == 1
