"""Joining the process group, however the processes were started."""

import contextlib
import io
import os
import sys
import warnings
from functools import cache
from pathlib import Path

import deepspeed
import torch
from deepspeed.accelerator import get_accelerator
from torch import distributed

from vlrlcd.errors import UserError
from vlrlcd.processes import leaving, ranks
from vlrlcd.processes.siblings import Siblings

ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}


@cache
def start_processes() -> Siblings:
    """Joins the process group, of one process if no launcher made one; a second call joins nothing.

    Returns the other processes of this machine, still to be watched.

    Raises:
        UserError: SLURM started several tasks that know nothing of each other.
    """
    _refuse_lonely_tasks()
    for name, value in ALONE.items():
        os.environ.setdefault(name, value)
    _share_the_cores()
    deepspeed.logger.setLevel("ERROR")
    # how DeepSpeed calls torch is not the user's business
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    # DeepSpeed compiles a helper with the first ninja it finds, and every change of ninja compiles it anew
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with contextlib.redirect_stdout(io.StringIO()):
        deepspeed.init_distributed(verbose=False)
    if torch.cuda.is_available():
        get_accelerator().set_device(int(os.environ["LOCAL_RANK"]))
    siblings = Siblings()
    leaving.met.append(siblings)
    return siblings


def end_processes() -> None:
    """Leaves the process group at the end of a program: gloo's threads would abort an interpreter that just exits."""
    if ranks.count() > 1:
        distributed.destroy_process_group()


def local_count() -> int:
    """Processes of this run on this machine, as the launcher (torchrun, deepspeed) says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("LOCAL_SIZE") or 1)


def _share_the_cores() -> None:
    if "OMP_NUM_THREADS" in os.environ or torch.cuda.is_available() or local_count() == 1:
        return
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // local_count()))


def _refuse_lonely_tasks() -> None:
    tasks = int(os.environ.get("SLURM_NTASKS", "1"))
    if tasks > 1 and "SLURM_STEP_ID" in os.environ and "RANK" not in os.environ:
        raise UserError(
            f"SLURM started {tasks} tasks, but RANK is not set, so each would train alone: start one task a machine "
            "with `srun --ntasks-per-node=1 torchrun ...` (docs/scaling.md)."
        )
