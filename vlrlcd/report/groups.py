"""Ten groups as the page shows them: the picture, the anchor, and what became of each candidate."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vlrlcd.data.images import decode
from vlrlcd.errors import UserError
from vlrlcd.report.read import Run, mapping, number, sequence
from vlrlcd.report.wording import ABSENT, short

GROUPS = 10
THUMBNAIL_PX = 280
MOST_IMAGES = 4
MARKS = {True: "right", False: "wrong", None: "unknown"}


@dataclass(frozen=True)
class Thumbnail:
    """An embedded image, or in its place why there is none."""

    url: str | None
    said: str


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
class Group:
    """One prompt with its anchor and its candidates, the ranking's favourite first."""

    id: str
    step: str
    images: list[Thumbnail]
    images_left_out: int
    descriptions: list[str]
    question: str
    choices: list[str]
    answer: str | None
    anchor: str
    anchor_score: str
    candidates: list[Candidate]


def chosen_groups(run: Run) -> list[Group]:
    """Up to ten groups, spread evenly over stage II from its first to its last."""
    # A group that a resumed run sampled again counts once, as it was sampled last.
    sampled = {f"{row.get('step')} {row.get('id')}": row for row in run.samples if row.get("stage") == "stage2"}
    groups = list(sampled.values())
    count = min(GROUPS, len(groups))
    places = [round(index * (len(groups) - 1) / max(count - 1, 1)) for index in range(count)]
    return [_group(groups[place], run.folder) for place in places]


def _group(row: dict[str, Any], folder: Path) -> Group:
    images = sequence(row.get("images"))
    answer = row.get("answer")
    return Group(
        id=str(row.get("id", "")),
        step=str(row.get("step", "")),
        images=[_thumbnail(image, folder) for image in images[:MOST_IMAGES]],
        images_left_out=max(len(images) - MOST_IMAGES, 0),
        descriptions=[str(one) for one in sequence(row.get("descriptions"))],
        question=str(row.get("question", "")),
        choices=[str(choice) for choice in sequence(row.get("choices"))],
        answer=None if answer is None else str(answer),
        anchor=str(row.get("anchor", "")),
        anchor_score=_score(row.get("anchor_score")),
        candidates=_candidates([mapping(one) for one in sequence(row.get("candidates"))]),
    )


def _candidates(rows: list[dict[str, Any]]) -> list[Candidate]:
    widest = max((number(row.get(name)) or 0.0 for row in rows for name in "Dq"), default=0.0)
    ranked = sorted(rows, key=lambda row: -(number(row.get("D")) or 0.0))
    return [_candidate(row, widest) for row in ranked]


def _candidate(row: dict[str, Any], widest: float) -> Candidate:
    correct = row.get("correct")
    copies = number(row.get("copies")) or 1
    remarks = ["cut off at the token limit"] * bool(row.get("truncated"))
    remarks += [f"sampled {copies:.0f} times"] * (copies > 1)
    return Candidate(
        text=str(row.get("text", "")),
        mark=MARKS[correct] if isinstance(correct, bool) else MARKS[None],
        margin=_score(row.get("r"), signed=True),
        bars=[_bar(name, number(row.get(name)), widest) for name in "Dq"],
        remarks=remarks,
    )


def _bar(name: str, value: float | None, widest: float) -> Bar:
    if value is None:
        return Bar(name, ABSENT, 0.0)
    return Bar(name, f"{100 * value:.1f} %", 100 * max(value, 0.0) / widest if widest > 0 else 0.0)


def _score(value: Any, signed: bool = False) -> str:
    known = number(value)
    if known is None:
        return ABSENT
    return f"{known:+.2f}" if signed and abs(known) < 1000 else short(known)


def _thumbnail(image: Any, folder: Path) -> Thumbnail:
    if not isinstance(image, str):
        return Thumbnail(None, "This image came as bytes, not as a file: the run kept no copy.")
    path = next((path for path in (Path(image), folder / image) if path.is_file()), None)
    if path is None:
        return Thumbnail(None, f"{image} is no longer there.")
    try:
        return Thumbnail(_data_url(decode(path)), path.name)
    except UserError as fault:
        return Thumbnail(None, str(fault))


def _data_url(image: Image.Image) -> str:
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=85, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
