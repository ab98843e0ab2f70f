"""Joining the process group, however the processes were started."""

import os
import socket
import sys
import warnings
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import deepspeed
import torch
from deepspeed.accelerator import get_accelerator
from torch import distributed

from vlrlcd.errors import UserError
from vlrlcd.memory import keep_what_is_freed
from vlrlcd.processes import leaving, ranks
from vlrlcd.processes.siblings import Siblings

ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}


@cache
def start_processes() -> Siblings:
    """Joins the process group, of one process if no launcher made one; a second call joins nothing.

    Returns the other processes of this machine, still to be watched.

    Raises:
        UserError: tasks that know nothing of each other, more processes than GPUs, a machine that the others could not
            reach, or processes that did not come.
    """
    _refuse_lonely_tasks()
    _refuse_missing_gpus()
    for name, value in ALONE.items():
        os.environ.setdefault(name, value)
    _refuse_loopback()
    _share_the_cores()
    deepspeed.logger.setLevel("ERROR")
    # how DeepSpeed calls torch is not the user's business
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    # its reduction for inference on a CPU takes half a minute to compile and leaves its buffers in memory for good
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # what DeepSpeed compiles for NVMe it compiles with ninja, which lies beside Python
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    _meet()
    if torch.cuda.is_available():
        get_accelerator().set_device(int(os.environ["LOCAL_RANK"]))
    else:
        keep_what_is_freed()
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


def _meet() -> None:
    try:
        deepspeed.init_distributed(verbose=False)
    except distributed.DistError as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UserError(
            f"the processes did not meet at {where} ({error}): see whether the command runs on every machine and all "
            "reach the first one there, and whether the port is free (--master_port)."
        ) from None


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


def _refuse_loopback() -> None:
    """Gloo tells the other machines the address that this one's own name stands for, and they would wait for it."""
    alone = int(os.environ["WORLD_SIZE"]) == local_count()
    if alone or os.environ["MASTER_ADDR"].startswith(("127.", "localhost")) or "GLOO_SOCKET_IFNAME" in os.environ:
        return
    name = socket.gethostname()
    try:
        address = socket.getaddrinfo(name, None)[0][4][0]
    except OSError:
        address = "no address"
    if address == "no address" or ip_address(address).is_loopback:
        raise UserError(
            f"on this machine its own name, {name}, stands for {address}, and no other machine reaches it there: set "
            "GLOO_SOCKET_IFNAME to the network interface that leads to them (`ip address` lists all), or give the name "
            "its address in /etc/hosts."
        )
