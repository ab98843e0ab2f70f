"""`report.html` from what a run left."""

import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vlrlcd.report import figures, groups, headline, teacher
from vlrlcd.report.read import Run, read_run

TEMPLATES = Path(__file__).parent / "templates"


def write_report(run_folder: Path | str) -> Path:
    """Writes `report.html` into a run's folder, finished or not; the page needs no network and no script.

    Returns:
        The page's path.

    Raises:
        UserError: the folder is missing or holds nothing that a run leaves.
    """
    run = read_run(run_folder)
    page = run.folder / "report.html"
    unfinished = page.with_suffix(".html.part")
    unfinished.write_text(_render(run), encoding="utf-8", errors="replace")
    os.replace(unfinished, page)
    return page


def _render(run: Run) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        name=str(run.summary.get("name") or run.folder.resolve().name),
        notes=run.notes,
        tables=headline.tables(run),
        facts=headline.facts(run),
        phases=headline.phases(run),
        teacher=teacher.facts(run),
        stages=figures.stage_curves(run),
        groups=groups.chosen_groups(run),
        config=run.config_text,
        size=figures,
    )
