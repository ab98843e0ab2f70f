"""Checks all that a run of scripts/train.py with the same arguments needs, without training, and says what it found.

    python scripts/doctor.py                                         the quickstart
    python scripts/doctor.py --config configs/FILE.yaml              an experiment, before it gets a GPU
    python scripts/doctor.py --config FILE --stage2.beta=0.1         with a value changed
    python scripts/doctor.py --config FILE --processes=8             as on so many GPUs

Reads every row, decodes every image, counts every prompt's tokens, looks for every anchor, puts a batch together, runs
it through the weights where they have room, and computes what memory each ZeRO stage would take. Every fault is told,
not the first alone. Exit code: 0 no fault, 1 at least one, 2 the command line itself is wrong. docs/doctor.md.
"""

import sys
from collections import Counter

import deepspeed
import torch
from transformers.utils import logging as transformers_logging

from vlrlcd.cli import config_file, read, run
from vlrlcd.doctor import FAULT, NOT_DONE, OK, STATES, WARNING, Pieces, examine, state
from vlrlcd.errors import UserError
from vlrlcd.scenes.release import QUICKSTART, draw_for

FLAGS = {
    "--processes": {"type": int, "default": 0, "help": "that would train together; default the visible GPUs, or 1"},
}
COUNTED = {FAULT: "fault(s)", WARNING: "warning(s)", NOT_DONE: "not done"}


def main() -> None:
    transformers_logging.disable_progress_bar()
    deepspeed.logger.setLevel("ERROR")
    reading = read(__doc__, QUICKSTART, own_flags=FLAGS)
    if reading.flags.processes < 0:
        raise UserError(f"--processes={reading.flags.processes} must not be negative.")
    source = config_file() or QUICKSTART
    if reading.config:
        draw_for(source, reading.config.data.root)
    found = tell(Pieces(reading, reading.flags.processes or torch.cuda.device_count() or 1, source))
    counts = ", ".join(f"{found[kind]} {said}" for kind, said in COUNTED.items())
    print(f"\n{sum(found.values())} checks: {counts}")
    if found[FAULT]:
        sys.exit(1)


def tell(pieces: Pieces) -> Counter[str]:
    """Prints what each check says; how many of them are in which state."""
    found: Counter[str] = Counter()
    for name, remarks in examine(pieces):
        found[worst := state(remarks)] += 1
        # the worst stands beside the name
        for number, remark in enumerate(sorted(remarks, key=lambda remark: -STATES.index(remark.state))):
            head = f"{worst:<9} {name:<14}" if number == 0 else " " * 24
            mark = "" if number == 0 or remark.state == OK else f"{remark.state}: "
            print(f"{head} {mark}{remark.words}", flush=True)
    return found


if __name__ == "__main__":
    run(main)
