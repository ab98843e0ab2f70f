"""Compares a student's answers with reference answers two by two, before a judge.

    python scripts/judge.py --config FILE --answers=runs/NAME --reference=anchors --output=DIR --dry-run
    python scripts/judge.py --config FILE --answers=runs/NAME --reference=anchors --output=DIR --max-usd=5
    python scripts/judge.py ... --answers=runs/ONE --other=runs/TWO       two students, and their difference
    python scripts/judge.py ... --reference=FILE.jsonl --truncated        own references; also cut to equal lengths
    python scripts/judge.py ... --judge.kind=rule                         drawn scenes, by their truth: no model

The judge is the configuration's judge section. Leaves win rates in eval.json and every verdict in judged.jsonl of
--output. Verdicts are kept as they come: Ctrl-C loses none, and the same command goes on. What the figures mean:
docs/judging.md.
"""

import sys
from pathlib import Path

from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.ending import exit_code, goes_on, tell_cost, tell_faults
from vlrlcd.cli import config_file, parse, run
from vlrlcd.config import Config
from vlrlcd.data.card import Card, load_card
from vlrlcd.errors import UserError
from vlrlcd.evaluation.table import read_table
from vlrlcd.judging.contest import WHOLE, Contest, contest, results, write_results
from vlrlcd.judging.judges import Judge, open_judge
from vlrlcd.judging.summary import print_contest, print_results
from vlrlcd.scenes.release import QUICKSTART, draw_for

ANSWERS = "a JSONL file, or the folder of a run or evaluation, whose last predictions_SPLIT*.jsonl is taken"
NEEDED = {
    "answers": f"the student's answers: {ANSWERS}",
    "reference": f"the answers to compare with: {ANSWERS}; or the word anchors for the teacher's own",
    "output": "folder for eval.json and judged.jsonl",
}
FLAGS = {
    **{f"--{name}": {"type": str, "default": "", "help": words} for name, words in NEEDED.items()},
    "--other": {"type": str, "default": "", "help": "a second student's answers, for the difference between the two"},
    "--truncated": {"action": "store_true", "help": "also compare answers cut to the shorter one's length"},
    "--dry-run": {"action": "store_true", "help": "say how many calls it would take and about what cost; ask nobody"},
    "--max-calls": {"type": int, "default": None, "help": "stop after so many requests, retries included"},
    "--max-usd": {"type": float, "default": None, "help": "stop before this command costs more"},
}


def main() -> None:
    config, flags = parse(__doc__, QUICKSTART, own_flags=FLAGS)
    limits = Limits(flags.max_calls, flags.max_usd)
    for name, words in NEEDED.items():
        if not getattr(flags, name):
            raise UserError(f"--{name} is missing: {words}.")
    if flags.dry_run and not limits.free:
        raise UserError("--dry-run does not go together with --max-calls or --max-usd: it asks nobody.")
    source = config_file() or QUICKSTART
    draw_for(source, config.data.root)
    card = load_card(config.data.dataset)
    folder = Path(flags.output)
    # what cannot be written to is told before anyone is paid
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output={folder} is a file: give a folder.")
    read_table(folder / "eval.json")
    compared = contest(config, card, flags.answers, flags.reference, flags.other, flags.truncated, source)
    with open_judge(config, card, [pair.example for pair in compared.pairs]) as judge:
        print_contest(compared, judge)
        if flags.dry_run:
            print("\n".join(judge.estimate(compared.games)))
        else:
            sys.exit(_judged(config, card, compared, judge, limits, folder))


def _judged(config: Config, card: Card, compared: Contest, judge: Judge, limits: Limits, folder: Path) -> int:
    """Asks, then writes and prints what came of it, or how far it got; the exit code."""
    done = judge.ask(compared.games, limits)
    tell_cost(done, judge, config.judge)
    left = len(judge.missing(compared.games))
    if not (done.stopped and left):
        _tell_results(config, card, compared, judge, folder)
    tell_faults(done, "games")
    if left and goes_on(done):
        print(f"{left:,} verdicts are missing; the same command goes on with them", file=sys.stderr)
    return exit_code(done)


def _tell_results(config: Config, card: Card, compared: Contest, judge: Judge, folder: Path) -> None:
    found = results(compared, judge, config.evaluation.resamples, config.run.seed)
    asked, counted = len(compared.pairs), len(found[0].judged[WHOLE])
    if counted:
        write_results(folder, found, config, card.name, judge.name, compared.references.name)
        print_results(found)
        print(f"\nleft in      {folder}")
    if counted < asked:
        print(f"{counted:,} of {asked:,} questions count, the others lack a verdict", file=sys.stderr)


if __name__ == "__main__":
    run(main)
