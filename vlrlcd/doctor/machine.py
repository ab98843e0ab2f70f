"""What the machine has."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

import psutil
import torch

from vlrlcd.doctor.remarks import OK, WARNING, Remark
from vlrlcd.planner import GIB
from vlrlcd.run_folder import PACKAGES

if TYPE_CHECKING:
    from vlrlcd.doctor.pieces import Pieces


def versions(pieces: "Pieces") -> Iterator[Remark]:
    """Of Python and of what a run's provenance names."""
    named = {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}
    yield Remark(OK, ", ".join(f"{name} {number}" for name, number in named.items()))


def devices(pieces: "Pieces") -> Iterator[Remark]:
    """GPUs, or else cores and memory, and whether the configured precision is computed in hardware."""
    gpus = torch.cuda.device_count()
    for number in range(gpus):
        free, total = torch.cuda.mem_get_info(number)
        yield Remark(OK, f"GPU {number}: {torch.cuda.get_device_name(number)}, {_gib(free)} of {_gib(total)} GiB free")
    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0))
    yield Remark(OK, f"CPU: {cores} cores, {_gib(memory.available)} of {_gib(memory.total)} GiB memory free")
    if not gpus:
        yield Remark(OK, "no GPU: training runs on the CPU")
    elif pieces.processes > gpus:
        yield Remark(WARNING, f"{pieces.processes} processes, but {gpus} GPU(s) here: it takes several machines")
    yield _bfloat16(bool(gpus), pieces.config.model.dtype)


def device_memory(processes: int) -> tuple[float, str]:
    """Bytes that one process may take at most, and of what."""
    if gpus := torch.cuda.device_count():
        return min(torch.cuda.mem_get_info(number)[1] for number in range(gpus)), "a GPU"
    return psutil.virtual_memory().available / processes, f"a process's part of the free memory ({processes} here)"


def free_memory() -> float:
    """Bytes that a model may take now, on its way through the CPU's memory too."""
    free = psutil.virtual_memory().available
    return min(free, torch.cuda.mem_get_info(0)[0]) if torch.cuda.is_available() else free


def _bfloat16(gpu: bool, dtype: str) -> Remark:
    if gpu:
        fast, where = torch.cuda.is_bf16_supported(including_emulation=False), "the GPU"
    else:
        fast, where = torch.ops.mkldnn._is_mkldnn_bf16_supported(), "the CPU"
    if fast:
        return Remark(OK, f"{where} computes in bfloat16")
    slow = dtype == "bfloat16"
    said = f"{where} has no bfloat16 in hardware" + (", and model.dtype=bfloat16 will be slow" if slow else "")
    return Remark(WARNING if slow else OK, said)


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f}"
