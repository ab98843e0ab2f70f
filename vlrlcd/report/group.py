"""One group as the page shows it: the pictures, the anchor, and what became of each candidate."""

from dataclasses import dataclass
from typing import Any

from vlrlcd.report.groups import KINDS, weight
from vlrlcd.report.lines import Row
from vlrlcd.report.read import Run, mapping, number, sequence
from vlrlcd.report.thumbnails import MOST_IMAGES, Thumbnail, thumbnails
from vlrlcd.report.wording import ABSENT, percent, short, signed

MARKS = {True: "right", False: "wrong", None: "unknown"}
SAID_AS_TAGS = ("misled", "tied", "cut")


@dataclass(frozen=True)
class Bar:
    """One probability; `width` is in percent of the widest bar of its group."""

    name: str
    value: str
    width: float


@dataclass(frozen=True)
class Candidate:
    """One answer of the student; `mark` is right, wrong or unknown."""

    text: str
    mark: str
    margin: str
    bars: list[Bar]
    remarks: list[str]


@dataclass(frozen=True)
class Prompt:
    """What was asked, of a group or of a held-out question."""

    images: list[Thumbnail]
    images_left_out: int
    question: str
    choices: list[str]
    answer: str | None


@dataclass(frozen=True)
class Group:
    """One prompt with its anchor and its candidates, the ranking's favourite first."""

    id: str
    step: str
    kinds: list[str]
    tags: list[str]
    asked: Prompt
    descriptions: list[str]
    anchor: str
    anchor_score: str
    candidates: list[Candidate]


def group(row: Row, kinds: list[str], run: Run) -> Group:
    """A line of `samples.jsonl` as it is shown, with the images that `thumbnails` finds."""
    return Group(
        id=str(row.get("id", "")),
        step=str(row.get("step", "")),
        kinds=kinds,
        tags=[KINDS[kind] for kind in SAID_AS_TAGS if kind in kinds],
        asked=prompt(row.get("images"), row.get("question"), row.get("choices"), row.get("answer"), run),
        descriptions=[str(one) for one in sequence(row.get("descriptions"))],
        anchor=str(row.get("anchor", "")),
        anchor_score=_score(row.get("anchor_score")),
        candidates=_candidates([mapping(one) for one in sequence(row.get("candidates"))]),
    )


def prompt(images: Any, question: Any, choices: Any, answer: Any, run: Run) -> Prompt:
    """What was asked, from values of any type."""
    return Prompt(
        images=thumbnails(sequence(images), run),
        images_left_out=max(len(sequence(images)) - MOST_IMAGES, 0),
        question=str(question or ""),
        choices=[str(choice) for choice in sequence(choices)],
        answer=None if answer is None else str(answer),
    )


def _candidates(rows: list[Row]) -> list[Candidate]:
    widest = max((number(row.get(name)) or 0.0 for row in rows for name in "Dq"), default=0.0)
    return [_candidate(row, widest) for row in sorted(rows, key=lambda row: -weight(row))]


def _candidate(row: Row, widest: float) -> Candidate:
    correct = row.get("correct")
    copies = number(row.get("copies")) or 1
    remarks = ["cut off at the token limit"] * bool(row.get("truncated"))
    remarks += [f"sampled {copies:.0f} times"] * (copies > 1)
    return Candidate(
        text=str(row.get("text", "")),
        mark=MARKS[correct] if isinstance(correct, bool) else MARKS[None],
        margin=_score(row.get("r"), margin=True),
        bars=[_bar(name, number(row.get(name)), widest) for name in "Dq"],
        remarks=remarks,
    )


def _bar(name: str, value: float | None, widest: float) -> Bar:
    if value is None:
        return Bar(name, ABSENT, 0.0)
    return Bar(name, percent(value), 100 * max(value, 0.0) / widest if widest > 0 else 0.0)


def _score(value: Any, margin: bool = False) -> str:
    known = number(value)
    if known is None:
        return ABSENT
    return signed(known, 2) if margin and abs(known) < 1000 else short(known)
