"""Asks the teacher for the anchors that the store lacks, once per training prompt.

    python scripts/collect_anchors.py --config FILE --dry-run            how many calls, about what cost; asks nobody
    python scripts/collect_anchors.py --config FILE --max-calls=20       a first taste
    python scripts/collect_anchors.py --config FILE --max-usd=50         all of it, within a budget
    python scripts/collect_anchors.py --config FILE --write-batch=DIR    request files for OpenAI's batch API instead
    python scripts/collect_anchors.py --config FILE --read-batch=DIR     and their results

Every answer is stored as soon as it is there: Ctrl-C, a crash or a full disk lose none, and the same command goes on.
Teachers, keys, prices and privacy: docs/teachers.md.
"""

import sys
from pathlib import Path
from textwrap import shorten

from vlrlcd.anchors.asks import Ask, asks
from vlrlcd.anchors.batch import read_results, write_requests
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.collect import collect, load_anchors, missing
from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.ending import exit_code, goes_on, tell_cost, tell_faults
from vlrlcd.anchors.estimate import estimate
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.quality import check_quality
from vlrlcd.anchors.ready import anchor_store
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import Teacher, teacher_for
from vlrlcd.anchors.unreadable import unreadable
from vlrlcd.cli import parse, run
from vlrlcd.config import Config
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import training_examples
from vlrlcd.data.tasks import Check
from vlrlcd.errors import UserError

FLAGS = {
    "--dry-run": {"action": "store_true", "help": "say how many calls it would take and about what cost; ask nobody"},
    "--max-calls": {"type": int, "default": None, "help": "stop after so many requests, retries included"},
    "--max-usd": {"type": float, "default": None, "help": "stop before this collection costs more"},
    "--write-batch": {"type": str, "default": "", "help": "write request files for OpenAI's batch API into a folder"},
    "--read-batch": {"type": str, "default": "", "help": "read the results of such a batch, a file or a folder"},
}


def main() -> None:
    config, flags = parse(__doc__, own_flags=FLAGS)
    limits = Limits(flags.max_calls, flags.max_usd)
    _check_flags(config, flags)
    card = load_card(config.data.dataset)
    examples = training_examples(config, card)
    teacher = teacher_for(config, card)
    if left_out := unreadable(config.data, examples):
        examples = [example for example in examples if example.id not in {row.id for row in left_out}]
        print(f"{len(left_out):,} rows are left out, {left_out[0].text}")
    wanted = asks(examples, Templates(card), teacher)
    with AnchorStore(anchor_store(config)) as store:
        todo = missing(wanted, store)
        _tell_state(wanted, todo, teacher, store)
        if flags.dry_run:
            prices = Prices(config.teacher.prices) if teacher.has_price else None
            print("\n".join(estimate(todo, teacher, store, config.teacher, prices)))
        elif flags.write_batch:
            for path in write_requests(todo, config.teacher, Path(flags.write_batch)):
                print(f"{path}  {path.stat().st_size / 1e6:,.1f} MB")
            print(f"{len(todo):,} requests; give their results to --read-batch" if todo else "nothing to write")
        else:
            done = _collected(config, flags.read_batch, limits, wanted, teacher, store)
            _tell(done, wanted, teacher, store, config, card.check, flags.read_batch)


def _tell_state(wanted: list[Ask], todo: list[Ask], teacher: Teacher, store: AnchorStore) -> None:
    lacking = {ask.key for ask in todo}
    there = sum(ask.key not in lacking for ask in wanted)
    print(f"{store.path}: {there:,} of {len(wanted):,} prompts have an answer of {teacher.name}")
    if repeated := len(wanted) - there - len(todo):
        print(f"{repeated:,} prompts ask the same as another and share its answer")


def _check_flags(config: Config, flags) -> None:
    chosen = [flag for flag in ("dry_run", "write_batch", "read_batch") if getattr(flags, flag)]
    limits = [flag for flag in ("max_calls", "max_usd") if getattr(flags, flag) is not None]
    if len(chosen) > 1 or chosen and limits:
        said = " and ".join(f"--{flag.replace('_', '-')}" for flag in [*chosen, *limits])
        raise UserError(f"{said} do not go together: give one of them.")
    if (flags.write_batch or flags.read_batch) and config.teacher.kind != "chat":
        raise UserError(f"batch files are for teacher.kind=chat, and teacher.kind is {config.teacher.kind}.")


def _collected(
    config: Config, batch: str, limits: Limits, wanted: list[Ask], teacher: Teacher, store: AnchorStore
) -> Collection:
    if batch:
        return read_results(Path(batch), wanted, config.teacher, store, Prices(config.teacher.prices))
    return collect(wanted, teacher, store, config.teacher, limits, interruptible=True)


def _tell(
    done: Collection,
    wanted: list[Ask],
    teacher: Teacher,
    store: AnchorStore,
    config: Config,
    check: Check | None,
    batch: str,
) -> None:
    """What was collected, what it took, what of it training will set aside; exits with 1 if something went wrong."""
    todo = missing(wanted, store)
    print(f"{done.answered:,} anchors stored, {len(store):,} in the store, {len(todo):,} prompts still without")
    if done.by_others:
        print(f"another collector answered {done.by_others:,}")
    if done.elsewhere:
        print(f"{done.elsewhere:,} results answer nothing that this configuration asks; they were left")
    tell_cost(done, teacher, config.teacher, batch=bool(batch))
    if done.ledger:
        candidates = config.sampling.candidates
        print(f"a teacher that judges {candidates} candidates of each would take {len(wanted) * candidates:,} calls")
    _tell_set_aside(wanted, todo, teacher, store, config, check)
    tell_faults(done, "prompts")
    if todo and batch:
        print(f"--write-batch into another folder writes the {len(todo):,} that are missing", file=sys.stderr)
    elif todo and goes_on(done):
        print("the same command goes on with what is missing", file=sys.stderr)
    if code := exit_code(done) or int(done.elsewhere and not done.answered):
        sys.exit(code)


def _tell_set_aside(
    wanted: list[Ask], todo: list[Ask], teacher: Teacher, store: AnchorStore, config: Config, check: Check | None
) -> None:
    lacking = {ask.key for ask in todo}
    answered = [ask for ask in wanted if ask.key not in lacking]
    anchors = load_anchors(answered, teacher, store, command="")
    checked = check_quality(answered, anchors, config.anchors, check)
    examples = {found.reason: found for found in reversed(checked.set_aside)}
    for reason, count in checked.reasons.items():
        first = examples[reason]
        print(f"training will set aside {count:,}: {reason} (as {first.place}: {shorten(first.text, 100)!r})")


if __name__ == "__main__":
    run(main)
