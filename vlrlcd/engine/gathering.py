"""ZeRO-3: weights that lie in shards over the processes, made whole for sampling where there is room."""

from collections.abc import Iterator
from contextlib import contextmanager

import deepspeed
import psutil
import torch
from deepspeed.runtime.zero import parameter_offload
from deepspeed.runtime.zero.partitioned_param_coordinator import PartitionedParameterCoordinator
from torch import nn

from vlrlcd.processes import ranks
from vlrlcd.processes.start import local_count
from vlrlcd.student import Student

SHARE_OF_FREE_MEMORY = 0.5
"""What the gathered student may take; the rest is for the prompts' keys and values and for the activations."""
MIB = 2**20


def shard_from_the_cpu(student: Student, settings: dict) -> None:
    """Shards a module that was read on the CPU, one parameter at a time: no device has to hold the whole for it."""
    device = torch.device(deepspeed.get_accelerator().current_device_name())
    deepspeed.zero.Init(module=student, config_dict_or_path=settings)
    for buffer in student.buffers():
        buffer.data = buffer.data.to(device)


def forget(student: Student) -> None:
    """Makes DeepSpeed let go of a student: it keeps every module that it ever sharded, in a list and in a cache."""
    stack = parameter_offload.FWD_MODULE_STACK
    stack[:] = [module for module in stack if module is not student]
    for method in vars(PartitionedParameterCoordinator).values():
        # the cache stands behind a decorator that hides it
        for cell in getattr(method, "__closure__", None) or ():
            getattr(cell.cell_contents, "cache_clear", lambda: None)()


def room_to_gather(student: Student, device: torch.device, wanted: str) -> tuple[bool, str]:
    """Whether sampling gathers the student, the same in every process, and one line that says why.

    Args:
        student: sharded.
        device: where it would be gathered.
        wanted: `auto` lets the estimate decide; `always` and `never` do not.
    """
    needed = sum(p.ds_numel * p.element_size() for p in student.trained_model_parameters())
    # of the fullest process, so that all decide alike
    free = -ranks.largest(-_free_memory(device))
    gathers = {"auto": needed <= SHARE_OF_FREE_MEMORY * free, "always": True, "never": False}[wanted]
    how = "gathers the student once per rollout" if gathers else "runs on the sharded student, slowly"
    return gathers, f"{how}: {needed / MIB:,.0f} of {free / MIB:,.0f} MiB free a process (engine.gather={wanted})"


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available / local_count()


@contextmanager
def gathered(engine: deepspeed.DeepSpeedEngine, parameters: list[nn.Parameter]) -> Iterator[None]:
    """Whole parameters without the hooks that would gather and release them layer by layer."""
    offload = engine.optimizer.parameter_offload
    with deepspeed.zero.GatheredParameters(parameters):
        for hook in offload.forward_hooks + offload.backward_hooks:
            hook.remove()
        offload.forward_hooks, offload.backward_hooks = [], []
        try:
            yield
        finally:
            offload._register_deepspeed_module(offload.module)
