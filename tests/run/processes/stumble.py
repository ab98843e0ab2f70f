"""Runs on two processes and fails: `stumble.py user|bug|everyone|sleep`."""

import sys
import time

import torch

from vlrlcd.cli import run
from vlrlcd.errors import UserError
from vlrlcd.processes import ranks
from vlrlcd.processes.start import start_processes

FAULTS = {"user": UserError("row 7 is bad"), "bug": ValueError("row 7 is bad"), "everyone": UserError("row 7 is bad")}


def main() -> None:
    fault = sys.argv[-1]
    with start_processes():
        ranks.largest(0)
        print(torch.get_num_threads(), flush=True)
        if fault == "sleep":
            time.sleep(300)
        if fault == "everyone" or not ranks.first():
            raise FAULTS[fault]
        ranks.largest(0)


if __name__ == "__main__":
    run(main)
