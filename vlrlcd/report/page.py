"""`report.html` from what a run left."""

import os
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vlrlcd.report import answers, figures, group, groups, headline, scores, teacher
from vlrlcd.report.read import Run, name_of, read_run
from vlrlcd.report.rendering import Page, piece
from vlrlcd.report.spread import as_many_as_fit
from vlrlcd.report.warnings import warnings

BYTES_OF_GROUPS, BYTES_OF_ANSWERS = 8_000_000, 4_000_000
"""What the sampled groups, and the sampled answers of all splits, may take of the page."""


def write_report(run_folder: Path | str) -> Path:
    """Writes `report.html` into a run's folder, finished or not; the page needs no network.

    Returns:
        The page's path.

    Raises:
        UserError: the folder is missing or holds nothing that a run leaves.
    """
    run = read_run(run_folder)
    return write_page(run.folder / "report.html", report(run).html)


def write_page(path: Path, html: str) -> Path:
    """Writes the page in one step, so that nobody ever reads half of one."""
    unfinished = path.with_suffix(f"{path.suffix}.part")
    unfinished.write_text(html, encoding="utf-8", errors="replace")
    os.replace(unfinished, path)
    return path


def report(run: Run, live: str = "") -> Page:
    """The page of a run; one that is served live names the state that it shows and asks its server for the next."""
    notes = list(run.notes)
    shown_groups, shown_answers = _groups(run, notes), _answers(run, notes)
    return Page(
        "page.html",
        live=live,
        name=name_of(run),
        notes=notes,
        warnings=warnings(run),
        scores=scores.scores(run),
        subject=headline.subject(run),
        facts=headline.facts(run),
        phases=headline.phases(run),
        total_time=headline.total_time(run),
        teacher=teacher.facts(run),
        stages=figures.stage_curves(run),
        groups=shown_groups,
        splits=shown_answers,
        config=run.config_text,
        size=figures,
    )


def _groups(run: Run, notes: list[str]) -> dict[str, Any]:
    choice = groups.choose(run, notes)
    drawn = [(piece("group.html", group=group.group(row, kinds, run.folder)), kinds) for row, kinds in choice.chosen]
    fitting = as_many_as_fit(drawn, lambda one: _bytes(one[0]), BYTES_OF_GROUPS)
    return {
        "items": [html for html, _ in fitting],
        "all": choice.groups,
        "kinds": [
            (kind, title, sum(kind in kinds for _, kinds in fitting), choice.by_kind[kind])
            for kind, title in groups.KINDS.items()
        ],
    }


def _answers(run: Run, notes: list[str]) -> list[dict[str, Any]]:
    splits = answers.splits(run, notes)
    return [_split(split, run, BYTES_OF_ANSWERS // len(splits)) for split in splits]


def _split(split: answers.Split, run: Run, most: int) -> dict[str, Any]:
    drawn = [(piece("question.html", question=one), one.kind) for one in answers.questions(split, run)]
    fitting = as_many_as_fit(drawn, lambda one: _bytes(one[0]), most)
    counts = split.by_kind()
    return {
        "title": answers.title(split),
        "items": [html for html, _ in fitting],
        "all": len(split.found),
        "kinds": [
            (kind, title, sum(kind == of for _, of in fitting), counts[kind]) for kind, title in answers.KINDS.items()
        ],
    }


def _bytes(html: Markup) -> int:
    return len(html.encode(errors="replace"))
