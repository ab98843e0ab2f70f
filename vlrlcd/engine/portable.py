"""The state of training as runs of numbers that any number of processes and any ZeRO stage can go on from.

Every process writes what it steps itself, master weights and Adam's moments in float32, as safetensors: nothing is
exchanged, and nothing pickled. Going on, it reads what it steps now from whichever files hold it.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from deepspeed.runtime.zero.partition_parameters import ZeroParamStatus
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vlrlcd.errors import UserError
from vlrlcd.processes import ranks

MOMENTS = ("exp_avg", "exp_avg_sq")
KINDS = ("weight", *MOMENTS)


@dataclass(frozen=True)
class Fragment:
    """Consecutive numbers of a flattened parameter that this process steps.

    Attributes:
        name: of the parameter.
        start: of the first of them.
        parts: kind to the optimiser's own memory, flat, float32.
    """

    name: str
    start: int
    parts: dict[str, Tensor]


def write_state(student: nn.Module, optimizer, path: Path) -> None:
    """What this process steps, in one file; of an optimiser that all have whole, in the first process's alone."""
    fragments = list(_fragments(student, optimizer))
    if _whole(optimizer) and not ranks.first():
        return
    tensors = {f"{f.name}|{f.start}|{kind}": part.detach().cpu() for f in fragments for kind, part in f.parts.items()}
    save_file(tensors, path, {"step": str(_step(optimizer))})


def read_state(student: nn.Module, optimizer, paths: list[Path]) -> None:
    """Fills optimiser and student from all the files of a checkpoint."""
    with ExitStack() as stack:
        saved = _Saved([stack.enter_context(safe_open(path, "pt")) for path in paths])
        for fragment in _fragments(student, optimizer, saved.step):
            for kind, part in fragment.parts.items():
                saved.fill(part, fragment.name, fragment.start, kind)
        for name, parameter in _trained(student):
            _set_weight(parameter, lambda part, start, name=name: saved.fill(part, name, start, "weight"))


class _Saved:
    """The runs of numbers in a checkpoint's files, by parameter and kind."""

    def __init__(self, files: list):
        self.step = float(files[0].metadata()["step"])
        self.runs: dict[tuple[str, str], list] = {}
        for file in files:
            for key in file.keys():  # noqa: SIM118
                name, start, kind = key.rsplit("|", 2)
                run = (int(start), file.get_slice(key))
                self.runs.setdefault((name, kind), []).append(run)

    @torch.no_grad()
    def fill(self, part: Tensor, name: str, start: int, kind: str) -> None:
        """Puts the numbers from `start` on into a flat tensor.

        Raises:
            UserError: the files do not hold all of them.
        """
        stop, filled = start + len(part), 0
        for first, numbers in self.runs.get((name, kind), []):
            low, high = max(start, first), min(stop, first + numbers.get_shape()[0])
            if low < high:
                part[low - start : high - start] = numbers[low - first : high - first].to(part)
                filled += high - low
        if filled != len(part):
            raise UserError(
                f"the checkpoint holds {filled:,} of {len(part):,} numbers of {name} ({kind}): resume the run as it "
                "was started, or start a new one."
            )


def _trained(student: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in student.named_parameters() if p.requires_grad)


def _fragments(student: nn.Module, optimizer, step: float = 0.0) -> Iterator[Fragment]:
    """What this process steps; moments that are not there yet begin as zeros, with `step` steps behind them."""
    inner = getattr(optimizer, "optimizer", optimizer)
    for master in _masters(optimizer):
        if not inner.state[master] or step:
            _begin(inner.state[master], master, step)
    if hasattr(optimizer, "_lazy_init_hp_params_optimizer_state"):
        optimizer._lazy_init_hp_params_optimizer_state()
    for name, parameter in _trained(student):
        yield from _of_parameter(name, parameter, optimizer, inner)


def _begin(state: dict, master: Tensor, step: float) -> None:
    state["step"] = torch.tensor(step, dtype=torch.float32, device=master.device)
    for moment in MOMENTS:
        state.setdefault(moment, torch.zeros_like(master, memory_format=torch.preserve_format))


def _masters(optimizer) -> Iterable[Tensor]:
    """The tensors that torch's optimiser steps."""
    for name in ("fp32_partitioned_groups_flat", "single_partition_of_fp32_groups", "fp32_groups_flat_partition"):
        if hasattr(optimizer, name):
            return getattr(optimizer, name)
    groups = getattr(optimizer, "fp32_groups", None) or [group["params"] for group in optimizer.param_groups]
    return [master for group in groups for master in group]


def _whole(optimizer) -> bool:
    """Whether every process steps everything."""
    return isinstance(optimizer, torch.optim.Optimizer) or hasattr(optimizer, "fp32_groups")


def _step(optimizer) -> float:
    inner = getattr(optimizer, "optimizer", optimizer)
    return float(next(iter(inner.state.values()))["step"])


def _of_parameter(name: str, parameter: nn.Parameter, optimizer, inner) -> Iterator[Fragment]:
    if hasattr(parameter, "ds_id"):
        place, offset, length = optimizer.grad_position[optimizer.get_param_id(parameter)]
        master, start = optimizer.fp32_partitioned_groups_flat[place], ranks.rank() * length
        # the last shares may be padding
        length = max(0, min(length, parameter.ds_numel - start))
        tensors = (master.data, *(inner.state[master][moment] for moment in MOMENTS))
        yield Fragment(name, start, {k: t.narrow(0, offset, length) for k, t in zip(KINDS, tensors, strict=True)})
    elif hasattr(parameter, "_hp_mapping"):
        if (own := parameter._hp_mapping) is not None:
            tensors = (own.hp_fragment.data, *(own.get_optim_state_fragment(moment) for moment in MOMENTS))
            yield Fragment(name, own.lp_fragment_address.start, dict(zip(KINDS, tensors, strict=True)))
    else:
        master = _master_of(parameter, optimizer)
        tensors = (master.data, *(inner.state[master][moment] for moment in MOMENTS))
        yield Fragment(name, 0, {k: t.view(-1) for k, t in zip(KINDS, tensors, strict=True)})


def _master_of(parameter: nn.Parameter, optimizer) -> Tensor:
    if isinstance(optimizer, torch.optim.Optimizer):
        return parameter
    pairs = zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True)
    return next(m for low, full in pairs for p, m in zip(low, full, strict=True) if p is parameter)


def _set_weight(parameter: nn.Parameter, fill) -> None:
    """The weight that passes go through, in its own precision."""
    if not hasattr(parameter, "ds_id"):
        fill(parameter.data.view(-1), 0)
        return
    share = parameter.ds_tensor.data
    start = ranks.rank() * share.numel()
    fill(share.view(-1)[: max(0, min(share.numel(), parameter.ds_numel - start))], start)
    # small ones stay whole in every process
    if parameter.ds_status == ZeroParamStatus.AVAILABLE:
        fill(parameter.data.view(-1), 0)
