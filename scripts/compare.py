"""Compares methods: rows x regimes x seeds of a file, each cell a run of scripts/train.py, and one table of them all.

    python scripts/compare.py configs/comparisons/scenes.yaml --dry-run       what is there, and how long the rest takes
    python scripts/compare.py configs/comparisons/scenes.yaml                 runs what is missing, then the table
    python scripts/compare.py configs/comparisons/scenes.yaml --sweep         and the sweep
    python scripts/compare.py configs/comparisons/scenes.yaml --only=/sft/    cells whose REGIME/ROW/SEED matches
    python scripts/compare.py configs/comparisons/scenes.yaml --trial         the seeds that settings are chosen on
    python scripts/compare.py configs/comparisons/scenes.yaml --table         runs nothing, writes the table anew

Leaves comparisons/NAME/REGIME/ROW/SEED with a log beside each, and results.md, .csv, .svg and .png. Interrupted, the
same command goes on; a failed cell is named, the rest goes on, and the same command tries it again. docs/comparing.md
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

from vlrlcd.cli import run
from vlrlcd.comparison.cells import FOLDER, cells, home
from vlrlcd.comparison.jobs import Job, jobs, with_needs
from vlrlcd.comparison.plan import load_comparison
from vlrlcd.comparison.plot import write_plots
from vlrlcd.comparison.results import read_results
from vlrlcd.comparison.running import History, Running, alone
from vlrlcd.comparison.table import write_tables
from vlrlcd.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, metavar="FILE", help="a file of configs/comparisons/")
    parser.add_argument("--sweep", action="store_true", help="also run the sweep's cells")
    parser.add_argument("--trial", action="store_true", help="the trial seeds instead of the seeds")
    parser.add_argument("--only", default="", metavar="REGEX", help="run cells whose REGIME/ROW/SEED it is found in")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="cells at once (default: 1)")
    parser.add_argument("--root", type=Path, default=FOLDER, help="folder of all comparisons (default: comparisons)")
    parser.add_argument("--dry-run", action="store_true", help="list what would be run, and about how long it takes")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table of what is there")
    args = parser.parse_args()
    if args.parallel < 1:
        raise UserError(f"--parallel={args.parallel} must be at least 1.")
    if args.dry_run and args.table:
        raise UserError("--dry-run and --table do not go together: give one of them.")
    plan = load_comparison(args.comparison)
    if args.trial and not plan.trial:
        raise UserError(f"{args.comparison} has no trial seeds: add `trial`, or leave --trial out.")
    folder = home(plan, args.trial, args.root)
    all_cells = cells(plan, args.trial, with_sweep=True, root=args.root)
    planned = all_cells if args.sweep else cells(plan, args.trial, with_sweep=False, root=args.root)
    for cell in all_cells:
        # the table shows what a sweep left, also where this command does not run it
        cell.refuse_changes()
    known = jobs(plan, planned)
    todo = [job for job in with_needs(_matching(known, args.only), known) if not job.finished()]
    if args.dry_run:
        _tell(known, todo, History(folder), args.parallel)
        return
    with alone(folder) as lock:
        history = History(folder)
        running = Running([] if args.table else todo, args.parallel, history, lock)
        running.run()
        if running.stopped:
            print("stopped; the same command goes on")
            return
        results = read_results(plan, all_cells)
        command = shlex.join(["python", *sys.argv])
        for path in write_tables(folder, plan, planned, results, history.failed(known), command):
            print(path)
        for path in write_plots(folder, plan, results):
            print(f"{path}.svg, .png")
    if running.failed:
        print(
            f"{len(running.failed)} failed, see {folder / 'results.md'}; the same command tries again", file=sys.stderr
        )
        sys.exit(1)


def _matching(known: list[Job], only: str) -> list[Job]:
    try:
        found = [job for job in known if re.search(only, job.name)]
    except re.error as error:
        raise UserError(f"--only={only} is no regular expression ({error}).") from None
    if not found:
        raise UserError(f"--only={only} matches no cell, such as {known[-1].name}.")
    return found


def _tell(known: list[Job], todo: list[Job], history: History, parallel: int) -> None:
    waiting = {job.name: history.estimate(job) for job in todo}
    for job in known:
        state = "done" if job.finished() else "to do" if job.name in waiting else "not wanted"
        seconds = waiting.get(job.name)
        print(f"{state:<11}{job.name}{'' if seconds is None else f'  about {seconds:.0f} s'}")
    known_seconds = [seconds for seconds in waiting.values() if seconds is not None]
    minutes, unknown = sum(known_seconds) / 60 / parallel, len(waiting) - len(known_seconds)
    print(f"{len(known_seconds)} to do in about {minutes:.0f} minutes with {parallel} at once")
    if unknown:
        print(f"{unknown} to do of which none like it has been run yet")


if __name__ == "__main__":
    run(main)
