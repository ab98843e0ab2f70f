"""Held-out questions with the answer of every stage side by side."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlrlcd.evaluation.stages import split_and_stage
from vlrlcd.report.group import MARKS, Prompt, prompt
from vlrlcd.report.lines import Row, rows, rows_at
from vlrlcd.report.read import Run, mapping, number, sequence
from vlrlcd.report.spread import evenly
from vlrlcd.report.stages import own, stage_order, stage_title
from vlrlcd.report.wording import short

PREDICTIONS = "predictions_*.jsonl"
JUDGES = ("accuracy", "direct_answer")
"""The first of these that a question has says whether its answer is right."""
HALF_RIGHT = 0.5
"""Of a score between 0 and 1 (three of ten people answered so): from here on it counts as right."""
FIGURES = {"rouge_l": "ROUGE-L", "tokens": "tokens", "clip_score": "CLIPScore"}
KINDS = {
    "mended": "Mended",
    "broken": "Broken",
    "still_wrong": "Still wrong",
    "still_right": "Right throughout",
    "unmarked": "Not marked",
}
SHOWN = {"mended": 40, "broken": 40, "still_wrong": 30, "still_right": 15, "unmarked": 40}
"""Of each kind so many, evenly over the file; questions that nothing marks are shown where no other can be."""


@dataclass(frozen=True)
class Answer:
    """What one stage said; `remarks` are figures of this answer alone."""

    stage: str
    text: str
    mark: str
    remarks: list[str]


@dataclass(frozen=True)
class Question:
    """One held-out question; `stages` are its marks in short."""

    id: str
    kind: str
    asked: Prompt
    references: list[str]
    answers: list[Answer]


@dataclass
class Split:
    """The predictions of one split: of each question the kind, and where each stage's line begins."""

    name: str
    files: dict[str, Path] = field(default_factory=dict)
    found: dict[str, dict[str, tuple[int, bool | None]]] = field(default_factory=dict)

    def by_kind(self) -> Counter[str]:
        """Over all questions."""
        return Counter(_kind(stages) for stages in self.found.values())

    def chosen(self) -> dict[str, str]:
        """The shown questions with their kinds, in the order of the files."""
        by_kind: dict[str, list[str]] = {}
        for name, stages in self.found.items():
            by_kind.setdefault(_kind(stages), []).append(name)
        kinds = {name: kind for kind, names in by_kind.items() for name in evenly(names, SHOWN[kind])}
        return {name: kinds[name] for name in self.found if name in kinds}


def splits(run: Run, notes: list[str]) -> list[Split]:
    """Every split that has predictions of a stage, each file read once."""
    found: dict[str, Split] = {}
    named = [(*parts, path) for path in run.folder.glob(PREDICTIONS) if (parts := split_and_stage(path.name))]
    for name, stage, path in sorted(named, key=lambda one: (one[0], stage_order(one[1]))):
        split = found.setdefault(name, Split(name))
        split.files[stage] = path
        for offset, row in rows(path, notes):
            split.found.setdefault(_name(row), {})[stage] = (offset, _is_right(row))
    return [split for split in found.values() if split.found]


def questions(split: Split, run: Run) -> list[Question]:
    """The chosen questions of a split with the text of every stage."""
    chosen = split.chosen()
    texts: dict[str, dict[str, Row]] = {name: {} for name in chosen}
    for stage, path in split.files.items():
        names = [name for name in chosen if stage in split.found[name]]
        for name, row in zip(names, rows_at(path, [split.found[name][stage][0] for name in names]), strict=True):
            if row:
                texts[name][stage] = row
    return [_question(name, kind, texts[name], run) for name, kind in chosen.items() if texts[name]]


def _name(row: Row) -> str:
    return str(row.get("id", row.get("doc_id", "")))


def _is_right(row: Row) -> bool | None:
    score = next((number(row.get(name)) for name in JUDGES if number(row.get(name)) is not None), None)
    return None if score is None else score >= HALF_RIGHT


def _kind(stages: Mapping[str, tuple[int, bool | None]]) -> str:
    marks = [right for _, right in own(stages).values() if right is not None]
    if len(marks) < 2:
        return "unmarked"
    return {
        (False, True): "mended",
        (True, False): "broken",
        (False, False): "still_wrong",
        (True, True): "still_right",
    }[marks[0], marks[-1]]


def _question(name: str, kind: str, by_stage: Mapping[str, Row], run: Run) -> Question:
    last = list(by_stage.values())[-1]
    doc = mapping(last.get("doc"))
    return Question(
        id=name,
        kind=kind,
        asked=prompt(doc.get("images"), doc.get("question"), doc.get("choices"), last.get("target"), run),
        references=[str(one) for one in sequence(last.get("references"))],
        answers=[_answer(stage, row) for stage, row in by_stage.items()],
    )


def _answer(stage: str, row: Row) -> Answer:
    drawn = sequence(next(iter(sequence(row.get("resps"))), []))
    figures = [(title, number(row.get(name))) for name, title in FIGURES.items()]
    remarks = [f"{title} {short(value)}" for title, value in figures if value is not None]
    remarks += ["cut off at the token limit"] * bool(number(row.get("truncated")))
    return Answer(stage_title(stage), str(drawn[0]) if drawn else "", MARKS[_is_right(row)], remarks)
