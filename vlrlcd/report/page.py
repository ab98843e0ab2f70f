"""`report.html` from what a run left."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vlrlcd.files import write_whole
from vlrlcd.report import answers, figures, group, groups, headline, scores, teacher
from vlrlcd.report.read import Run, name_of, read_run
from vlrlcd.report.rendering import Page, piece
from vlrlcd.report.spread import as_many_as_fit
from vlrlcd.report.warnings import warnings

BYTES_OF_GROUPS, BYTES_OF_ANSWERS = 8_000_000, 4_000_000
"""What the sampled groups, and the sampled answers of all splits, may take of the page."""


@dataclass(frozen=True)
class Item:
    """One group or question as HTML; `kinds` are the filters that it falls under, `key` says it apart from others."""

    html: Markup
    kinds: list[str]
    key: str


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
    write_whole(path, html.encode(errors="replace").decode())
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
    shown = [group.group(row, kinds, run) for row, kinds in choice.chosen]
    drawn = [Item(piece("group.html", group=one), one.kinds, f"{one.step} {one.id}") for one in shown]
    return _browser(drawn, BYTES_OF_GROUPS, choice.groups, groups.KINDS, choice.by_kind)


def _answers(run: Run, notes: list[str]) -> list[dict[str, Any]]:
    splits = answers.splits(run, notes)
    return [_split(split, run, BYTES_OF_ANSWERS // len(splits)) for split in splits]


def _split(split: answers.Split, run: Run, most: int) -> dict[str, Any]:
    drawn = [Item(piece("question.html", question=one), [one.kind], one.id) for one in answers.questions(split, run)]
    browser = _browser(drawn, most, len(split.found), answers.KINDS, split.by_kind())
    return {"title": split.name, **browser}


def _browser(drawn: list[Item], most: int, of: int, titles: dict[str, str], counts: Counter[str]) -> dict[str, Any]:
    """The items that fit, of how many, and of each kind its title, how many are shown and how many there are."""
    fitting = as_many_as_fit(drawn, lambda one: len(one.html.encode(errors="replace")), most)
    shown = Counter(kind for one in fitting for kind in one.kinds)
    kinds = [(kind, title, shown[kind], counts[kind]) for kind, title in titles.items()]
    return {"items": fitting, "all": of, "kinds": kinds}
