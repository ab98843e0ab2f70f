"""Joining the process group, however the processes were started."""

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
        UserError: tasks that know nothing of each other, or more processes than GPUs.
    """
    _refuse_lonely_tasks()
    _refuse_missing_gpus()
    for name, value in ALONE.items():
        os.environ.setdefault(name, value)
    _share_the_cores()
    deepspeed.logger.setLevel("ERROR")
    # how DeepSpeed calls torch is not the user's business
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    # its reduction for inference on a CPU takes half a minute to compile and leaves its buffers in memory for good
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # what DeepSpeed compiles for NVMe it compiles with ninja, which lies beside Python
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    deepspeed.init_distributed(verbose=False)
    if torch.cuda.is_available():
        get_accelerator().set_device(int(os.environ["LOCAL_RANK"]))
    siblings = Siblings()
    leaving.siblings = siblings
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
    for variable in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        if int(os.environ.get(variable, "1")) > 1 and "RANK" not in os.environ:
            raise UserError(
                f"{variable} says {os.environ[variable]} tasks, but RANK is not set, so each would train alone: start "
                "one task a machine, each with torchrun (srun --ntasks-per-node=1 torchrun ...; docs/scaling.md)."
            )


def _refuse_missing_gpus() -> None:
    local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if gpus and local >= gpus:
        raise UserError(
            f"process {local} of this machine has no GPU, there are {gpus}: start at most {gpus} (--num_gpus, "
            "--nproc_per_node)."
        )
