"""A student under DeepSpeed's engine."""

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deepspeed
import torch
from torch import Tensor

from model_adapters import PromptRow
from vlrlcd.checkpoints import PARTIAL, facts_of, seal
from vlrlcd.config import Config
from vlrlcd.engine.gathering import forget, gathered, room_to_gather, shard_from_the_cpu
from vlrlcd.engine.portable import read_state, write_state
from vlrlcd.engine.schedule import learning_rate_at
from vlrlcd.engine.settings import deepspeed_settings, zero_stage
from vlrlcd.errors import UserError
from vlrlcd.processes import ranks
from vlrlcd.student import Student


class Engine:
    """Every pass goes through `run`, the same number of times in every process.

    Attributes:
        student: the wrapped module.
        sampling_note: how ZeRO-3 samples and the estimate behind it; None where the weights are whole anyway.
    """

    def __init__(self, student: Student, config: Config, peak_rate: float, steps: int):
        settings = deepspeed_settings(config, ranks.count())
        self._sharded = zero_stage(settings) == 3
        if self._sharded:
            shard_from_the_cpu(student, settings)
        optimizer = torch.optim.AdamW(
            _parameter_groups(student, config, peak_rate),
            lr=peak_rate,
            weight_decay=config.engine.weight_decay,
            fused=True,
        )
        self.student = student
        self.peak_rate, self.steps, self.warmup = peak_rate, steps, config.engine.warmup
        self._engine, self._optimizer, _, _ = deepspeed.initialize(model=student, optimizer=optimizer, config=settings)
        self._gathers, self.sampling_note = False, None
        if self._sharded:
            self._gathers, self.sampling_note = room_to_gather(student, self.device, config.engine.gather)
        # each decoding step of a sharded student is collective, so nobody may stop before the last
        self._in_step = self._sharded and not self._gathers
        self._static = decodes_statically(config.engine.decoding, self.device, self._in_step)

    @property
    def adapter(self):
        return self.student.adapter

    @property
    def device(self) -> torch.device:
        return torch.device(self._engine.device)

    @property
    def reads_once(self) -> bool:
        """Whether p_sft's log-probs may go on from what it has read to rank.

        Not where modules gather their weights, so that all processes must run the same ones; and in float32 alone: in
        bfloat16 the reference's roundings would no longer cancel against the student's.
        """
        return not self._sharded and self.adapter.model.dtype is torch.float32

    def run(self, work: str, *inputs) -> Any:
        """One pass through the wrapped module: a method of `Student` by name; tensors move to the device."""
        moved = [value.to(self.device) if hasattr(value, "to") else value for value in inputs]
        return self._engine(work, *moved)

    @contextmanager
    def rollout(self) -> Iterator[None]:
        """Inside, answers are sampled: under ZeRO-3 the student is gathered once if it fits, and let go afterwards."""
        if self._gathers:
            with gathered(self._engine, self.student.trained_model_parameters()):
                yield
        else:
            yield

    def sample(self, rows: list[PromptRow], settings, uniforms_BKT, width: int) -> list:
        """K draws per row, `width` rows at a time, see `sampling.sample` and `static_sampling.sample`; inside
        `rollout`."""
        if self._static:
            return self.run("sample_static", rows, settings, uniforms_BKT, width)
        goes_on, drawn = ranks.any_of if self._in_step else bool, []
        for start in range(0, len(rows), width):
            batch = self.adapter.collate(rows[start : start + width])
            drawn += self.run("sample", batch, settings, uniforms_BKT[start : start + width], goes_on)
        return drawn

    def backward(self, loss: Tensor, last: bool) -> None:
        """Accumulates the gradient of a loss that already has the step's own denominator; `last` of the step.

        Losses of all processes add up.
        """
        self._engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed averages over the processes
        self._engine.backward(loss * ranks.count(), scale_wrt_gas=False)

    def step(self, step: int) -> tuple[float, float | None]:
        """One optimiser step at the scheduled rate. Returns (learning rate, gradient norm before clipping).

        The norm is None if the JSON told DeepSpeed not to compute it; under float16 one that is not finite means that
        loss scaling left the step out.
        """
        rate = learning_rate_at(step, self.steps, self.peak_rate, self.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        norm = self._plain_norm()
        self._engine.step()
        norm = self._engine.get_global_grad_norm() if norm is None else norm
        return rate, None if norm is None else float(norm)

    def _plain_norm(self) -> Tensor | None:
        """The norm where DeepSpeed leaves the optimiser bare: it clips there without telling."""
        if not isinstance(self._engine.optimizer, torch.optim.Optimizer):
            return None
        return torch.nn.utils.get_total_norm([p.grad for p in self.student.parameters() if p.grad is not None])

    def plain_weights(self) -> dict[str, Tensor] | None:
        """The weights of a plain checkpoint on the CPU, LoRA merged in, in the first process; None in the others."""
        weights = self.student.plain_weights(deepspeed.zero.GatheredParameters, keep=ranks.first())
        return weights if ranks.first() else None

    def save(self, folder: Path, tag: str) -> None:
        """Writes a checkpoint to resume from; the last good one stays until this one is whole."""
        partial = folder / f"{tag}{PARTIAL}"
        ranks.once(lambda: (shutil.rmtree(partial, ignore_errors=True), partial.mkdir(parents=True)))
        if self._swaps:
            self._engine.save_checkpoint(folder, tag=partial.name, save_latest=False, exclude_frozen_parameters=True)
        else:
            write_state(self.student, self._engine.optimizer, partial / f"state-{ranks.rank():05}.safetensors")
        # all have written, and each reads a share of it
        ranks.largest(0)
        files = sorted(path for path in partial.iterdir() if path.is_file())
        facts = [facts_of(path) for path in files[ranks.rank() :: ranks.count()]]
        shares = ranks.collected([facts])
        ranks.once(lambda: (seal(partial, [fact for own in shares for fact in own]), _replace(partial, folder / tag)))

    def close(self) -> None:
        """Frees everything before the next stage builds its own; the engine is spent."""
        self._engine.destroy()
        forget(self.student)
        self.student = self._engine = self._optimizer = None
        # DeepSpeed's objects hold each other in circles
        gc.collect()
        deepspeed.get_accelerator().empty_cache()

    def load(self, folder: Path, tag: str) -> None:
        """Restores weights and optimiser from a checkpoint that is whole."""
        if self._swaps:
            self._engine.load_checkpoint(folder, tag=tag, load_module_strict=False)
        else:
            read_state(self.student, self._engine.optimizer, sorted((folder / tag).glob("state-*.safetensors")))

    @property
    def _swaps(self) -> bool:
        """Whether the optimiser lies on a disk, which only DeepSpeed's own checkpoints know how to read."""
        return bool(getattr(self._engine.optimizer, "swap_optimizer", False))


def decodes_statically(wanted: str, device: torch.device, in_step: bool) -> bool:
    """What `engine.decoding` comes to. Raises UserError for static shapes where sampling is collective."""
    if wanted == "static" and in_step:
        raise UserError(
            "engine.decoding=static needs whole weights, and sampling runs on the sharded student: set "
            "--engine.gather=always, or --engine.decoding=auto."
        )
    return wanted == "static" or (wanted == "auto" and device.type == "cuda" and not in_step)


def _parameter_groups(student: Student, config: Config, peak_rate: float) -> list[dict]:
    """What trains, with a value head at a rate of its own."""
    head = [] if student.value_head is None else list(student.value_head.parameters())
    apart = {id(parameter) for parameter in head}
    policy = [p for p in student.parameters() if p.requires_grad and id(p) not in apart]
    groups = [{"params": policy}]
    return [*groups, {"params": head, "scale": config.stage2.value_learning_rate / peak_rate}] if head else groups


def _replace(new: Path, old: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    os.replace(new, old)
